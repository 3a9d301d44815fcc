import numpy as np

from flowcli.flow import FlowField
from flowcli.io.flow import FORMATS
from flowcli.io.flow.loss import Loss, measure_loss

UV = np.array([[[0.005, 0], [600, 1], [3, 4], [9, 9]]], np.float32)
KNOWN = np.array([[True, True, True, False]])


def test_rounding_and_clipping_are_told_apart():
    row, field = FORMATS[".png"], FlowField(UV, KNOWN)
    loss = measure_loss(field, row.decode(row.encode(field), "x"), row)
    assert (loss.pixels, loss.clipped, loss.validity) == (3, 1, 0)
    assert abs(loss.rounding - 0.005) < 1e-6
    assert loss.describe(row) == ["rounded by up to 0.005 px", "1 of 3 known pixels clipped to -512 .. 511.984 px"]


def test_nothing_lost_is_nothing_said():
    row, field = FORMATS[".flo"], FlowField(UV, KNOWN)
    loss = measure_loss(field, row.decode(row.encode(field), "x"), row)
    assert loss == Loss(pixels=3)
    assert loss.describe(row) == []


def test_a_format_without_validity_would_be_told():
    loss = measure_loss(FlowField(UV, KNOWN), FlowField(UV), FORMATS[".flo"])
    assert loss.describe(FORMATS[".flo"]) == ["1 pixels changed between known and unknown"]


def test_a_field_of_unknown_pixels():
    field = FlowField(UV, np.zeros_like(KNOWN))
    assert measure_loss(field, field, FORMATS[".png"]) == Loss()


def test_losses_add_up():
    assert Loss(10, 0.5, 1, 2) + Loss(5, 0.25, 3, 4) == Loss(15, 0.5, 4, 6)
