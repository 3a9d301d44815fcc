import numpy as np
import pytest

from flowcli.errors import UsageError
from flowcli.flow import FlowField
from flowcli.io.frames_resize import Resize, resize_flow, resize_frame


def test_targets():
    assert Resize().target((48, 64)) == (48, 64)
    assert Resize(size=(10, 20)).target((48, 64)) == (10, 20)
    assert Resize(factor=0.5).target((48, 65)) == (24, 32)
    assert Resize(factor=0.001).target((48, 64)) == (1, 1)
    with pytest.raises(UsageError, match="--resize: expected at most"):
        Resize(factor=16).target((4320, 7680))


def test_a_linear_flow_survives_the_way_there_and_back():
    y, x = np.mgrid[:40, :60].astype(np.float32)
    # An affine motion in units of the frame is the same at every size.
    small = FlowField(np.stack((0.1 * (x + 0.5) - 1, 0.2 * (y + 0.5) + 2), -1).astype(np.float32))
    large = resize_flow(small, (80, 180))
    y, x = np.mgrid[:80, :180].astype(np.float32)
    expected = np.stack((0.1 * (x + 0.5) - 3, 0.2 * (y + 0.5) + 4), -1)
    np.testing.assert_allclose(large.uv[2:-2, 3:-3], expected[2:-2, 3:-3], atol=1e-3)


def test_unknown_pixels_stay_unknown_and_do_not_spread_far():
    uv = np.ones((8, 8, 2), np.float32)
    valid = np.ones((8, 8), bool)
    valid[2, 2] = False
    large = resize_flow(FlowField(uv, valid), (16, 16))
    assert not large.known[4:6, 4:6].any()
    assert large.known[8:, :].all()
    assert large.known[:, 8:].all()
    np.testing.assert_allclose(large.uv[large.known], 2)


def test_equal_sizes_are_left_alone():
    frame = np.zeros((4, 5, 3), np.uint8)
    field = FlowField(np.zeros((4, 5, 2), np.float32))
    assert resize_frame(frame, (4, 5)) is frame
    assert resize_flow(field, (4, 5)) is field


def test_shrinking_averages():
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[:2, :2] = [[[0], [100]], [[100], [200]]]
    assert resize_frame(frame, (2, 2))[0, 0, 0] == 100
    assert resize_frame(frame, (8, 8)).shape == (8, 8, 3)
