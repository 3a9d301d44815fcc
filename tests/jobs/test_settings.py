from fractions import Fraction
from pathlib import Path

import pytest

from flowcli.io.frames import Moment, Selection
from flowcli.jobs.settings import BatchSettings
from flowcli.output.writer import Appearance


def describe(kind, **settings):
    batch = BatchSettings(".flo", ".flo", ".mp4", occlusion=True, **settings)
    outputs = batch.arrange(Path(), "a", is_pair=False).outputs
    return next(batch.describe(output) for output in outputs if output.kind == kind)


def test_settings_tell_frames_from_seconds():
    frames, seconds = (Selection(start=Moment(value)) for value in (5, Fraction(5)))
    assert describe("flow.flo", selection=frames) != describe("flow.flo", selection=seconds)
    assert describe("flow.flo", selection=frames) == describe("flow.flo", selection=frames)


@pytest.mark.parametrize(("kind", "matters"), [("flow.flo", False), ("pictures.mp4", True), ("occlusion.mp4", False)])
def test_the_look_matters_to_what_is_drawn(kind, matters):
    assert (describe(kind) != describe(kind, look=Appearance("hsv"))) == matters


def test_outputs_lie_beside_each_other():
    batch = BatchSettings(".npz", ".flo", ".webm", backward=True, occlusion=True)
    assert [
        (o.kind, o.destination.path.as_posix()) for o in batch.arrange(Path("out"), "x/a", is_pair=False).outputs
    ] == [
        ("flow.npz", "out/x/a"),
        ("pictures.webm", "out/x/a.flow.webm"),
        ("flow.backward.npz", "out/x/a.backward"),
        ("pictures.backward.webm", "out/x/a.flow.backward.webm"),
        ("occlusion.webm", "out/x/a.occlusion.webm"),
    ]
    assert [o.destination.path.as_posix() for o in batch.arrange(Path("out"), "a", is_pair=True).outputs] == [
        "out/a.flo",
        "out/a.flow.png",
        "out/a.backward.flo",
        "out/a.flow.backward.png",
        "out/a.occlusion.png",
    ]
