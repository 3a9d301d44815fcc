"""--same-length: as many results as frames, whatever is interrupted."""

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from batch_runs import SETTINGS as USUAL
from batch_runs import Interrupt, results

from flowcli.estimator import Estimator
from flowcli.flow import FlowField
from flowcli.io.flow import read_flow
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import FramePair
from flowcli.jobs.settings import PART
from flowcli.jobs.shots import Shots
from flowcli.jobs.stream import estimate_pairs

SETTINGS = replace(USUAL, same_length=True)


# The repeated flow is within a part, the last of a full one, or alone in its own.
@pytest.mark.parametrize("frames", [PART - 3, PART, PART + 1, 2 * PART + 1])
def test_a_batch_gives_one_result_per_frame_also_when_interrupted(run, make_folder, tmp_path, decode, frames):
    folder = make_folder("clips", frames)
    batch = run(inputs=[folder], settings=SETTINGS)
    assert [(outcome.pairs, outcome.fault) for outcome in batch.outcomes] == [(frames, None)]
    assert batch.total == batch.done == frames
    clean = results(tmp_path / "out")
    assert len([name for name in clean if name.endswith(".flo")]) == frames
    np.testing.assert_array_equal(
        read_flow(tmp_path / f"out/clips/f{frames - 1:03d}.flo").uv,
        read_flow(tmp_path / f"out/clips/f{frames - 2:03d}.flo").uv,
    )
    assert len(decode(tmp_path / "out/clips.flow.mp4")) == frames
    for stop_after in (3, PART, PART + 2, frames + 1):
        output = f"out{stop_after}"
        with suppress(Interrupt):
            run(inputs=[folder], settings=SETTINGS, output=output, stop_after=stop_after)
        run(inputs=[folder], settings=SETTINGS, output=output)
        assert results(tmp_path / output) == clean


def test_the_last_flow_is_repeated_and_not_estimated_again():
    class Drifting:
        pairs_at_once = 1
        number = -1

        def estimate(self, pairs):
            self.number += 1
            return [FlowField(np.full((*frame1.shape[:2], 2), self.number, np.float32)) for frame1, _ in pairs]

    frame = np.zeros((6, 8, 3), np.uint8)
    pairs = [FramePair(str(k), frame, frame, Fraction(k), Fraction(1)) for k in range(3)]
    pairs.append(replace(pairs[-1], name="3", time=Fraction(3), repeats=True))
    found = list(estimate_pairs(pairs, Estimator(Drifting()), backward=False, resize=Resize()))
    assert [result.pair for result in found] == pairs
    assert [result.forward.uv[0, 0, 0] for result in found] == [0, 1, 2, 2]


def test_settings_of_old_journals_still_fit():
    for output in SETTINGS.arrange(Path("out"), "in", is_pair=False).outputs:
        assert "same_length" not in replace(SETTINGS, same_length=False).describe(output)
        assert SETTINGS.describe(output)["same_length"] is True


def test_pictures_of_as_many_flows_as_frames(make_folder):
    folder = make_folder("in", 5)
    assert len(list(Shots([str(folder)], 5, None))) == 5
    assert len(list(Shots([str(folder)], 4, None))) == 4
