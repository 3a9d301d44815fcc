"""--same-length: as many results as frames, whatever is interrupted."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.io.flow import read_flow
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import FramePair, expect_pairs
from flowcli.jobs.batch import Batch
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import plan_batch
from flowcli.jobs.settings import PART, BatchSettings
from flowcli.jobs.shots import Shots
from flowcli.jobs.stream import estimate_pairs
from flowcli.output.writer import Appearance

SETTINGS = BatchSettings(".flo", ".flo", ".mp4", look=Appearance(scale=5.0), same_length=True)


def run_batch(folder, output, estimator, stop_after=None):
    batch = Batch(plan_batch([str(folder)], output), SETTINGS, output, estimator.settings)
    events = batch.run(
        partial(run_here, estimator=estimator),
        lambda item: expect_pairs(item.inputs, SETTINGS.selection, None, SETTINGS.same_length),
        overwrite=False,
    )
    for number, _ in enumerate(events, 1):
        if number == stop_after:
            break
    events.close()
    return batch


def results(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".flowcli" not in path.parts
    }


# The repeated flow is within a part, the last of a full one, or alone in its own.
@pytest.mark.parametrize("frames", [PART - 3, PART, PART + 1, 2 * PART + 1])
def test_a_batch_gives_one_result_per_frame_also_when_interrupted(make_folder, tmp_path, mean_flow, decode, frames):
    folder = make_folder("in", frames)
    batch = run_batch(folder, tmp_path / "out", mean_flow())
    assert [(outcome.pairs, outcome.fault) for outcome in batch.outcomes] == [(frames, None)]
    assert batch.total == batch.done == frames
    clean = results(tmp_path / "out")
    assert len([name for name in clean if name.endswith(".flo")]) == frames
    np.testing.assert_array_equal(
        read_flow(tmp_path / f"out/in/f{frames - 1:03d}.flo").uv,
        read_flow(tmp_path / f"out/in/f{frames - 2:03d}.flo").uv,
    )
    assert len(decode(tmp_path / "out/in.flow.mp4")) == frames
    for stop_after in (3, PART, PART + 2, frames + 1):
        output = tmp_path / f"out{stop_after}"
        run_batch(folder, output, mean_flow(), stop_after)
        run_batch(folder, output, mean_flow())
        assert results(output) == clean


def test_the_last_flow_is_repeated_and_not_estimated_again():
    class Drifting:
        settings = {"model": "drifting"}  # noqa: RUF012

        def flows(self, pairs, together=1):
            for number, (frame1, _) in enumerate(pairs):
                yield FlowField(np.full((*frame1.shape[:2], 2), number, np.float32))

    frame = np.zeros((6, 8, 3), np.uint8)
    pairs = [FramePair(str(k), frame, frame, Fraction(k), Fraction(1)) for k in range(3)]
    pairs.append(replace(pairs[-1], name="3", time=Fraction(3), repeats=True))
    found = list(estimate_pairs(pairs, Drifting(), backward=False, resize=Resize()))
    assert [result.pair for result in found] == pairs
    assert [result.forward.uv[0, 0, 0] for result in found] == [0, 1, 2, 2]


def test_settings_of_old_journals_still_fit():
    assert "same_length" not in replace(SETTINGS, same_length=False).describe()
    assert SETTINGS.describe()["same_length"] is True


def test_pictures_of_as_many_flows_as_frames(make_folder):
    folder = make_folder("in", 5)
    assert len(list(Shots([str(folder)], 5, None))) == 5
    assert len(list(Shots([str(folder)], 4, None))) == 4
