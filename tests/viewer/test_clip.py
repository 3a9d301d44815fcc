"""Pages under a limit of size."""

import numpy as np
import pytest

from flowcli.errors import InputError
from flowcli.flow import FlowField
from flowcli.viewer import About, Clip, ViewedPair, write_page


def make_pairs(count: int, height: int = 48, width: int = 64) -> list[ViewedPair]:
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (count + 1, height, width, 3)).astype(np.uint8)
    shown = [np.ascontiguousarray(frame) for frame in frames]
    flows = random.normal(0, 3, (count, height, width, 2)).astype(np.float32)
    return [ViewedPair(f"p{k}", (FlowField(flows[k]),), shown[k], shown[k + 1]) for k in range(count)]


def fill(pairs: list[ViewedPair], limit: int, count: int | None) -> Clip:
    clip = Clip(limit, count)
    for pair in pairs:
        clip.add(pair)
    return clip


def test_neighbours_share_their_frames():
    clip = fill(make_pairs(5), 10**7, 5)
    assert len(list(clip.pictures())) == 6
    assert clip.notes == []


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("limit", [300_000, 450_000])
def test_the_file_is_below_the_limit_and_says_what_is_left_out(tmp_path, limit, known):
    pairs = make_pairs(24)
    clip = fill(pairs, limit, 24 if known else None)
    write_page(tmp_path / "page.html", clip, About("t", ["flow"]))
    assert (tmp_path / "page.html").stat().st_size <= limit
    assert clip.step > 1
    assert [pair.name for pair in clip.kept] == [f"p{k}" for k in range(0, 24, clip.step)]
    assert f"one of {clip.step} pairs is shown: {len(clip.kept)} of 24" in clip.notes[0]


def test_large_frames_are_halved_and_keep_their_values():
    pairs = make_pairs(1, 640, 660)
    clip = fill(pairs, 2_000_000, 1)
    assert (clip.reduction, clip.kept[0].size) == (2, (320, 330))
    assert any("one of 2 rows and columns" in note for note in clip.notes)


def test_a_limit_below_one_pair_is_refused():
    with pytest.raises(InputError, match="raise --size-limit"):
        fill(make_pairs(1), 160_000, 1)


def test_sizes_that_do_not_fit_are_refused():
    (pair,) = make_pairs(1)
    other = FlowField(np.zeros((3, 3, 2), np.float32))
    with pytest.raises(InputError, match="p0: expected flow 2 of the size of the flow, 64x48, got 3x3"):
        Clip().add(ViewedPair("p0", (*pair.flows, other)))
