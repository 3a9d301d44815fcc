from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcli.runtime import strips
from flowcli.runtime.strips import UNDIVIDED, cut_strips


@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 5000),
    halo=st.integers(0, 40),
    pixels=st.none() | st.integers(1, 2**20),
    multiple=st.sampled_from([1, 2, 4, 16, 100]),
)
def test_strips_cover_every_row_once(height: int, width: int, halo: int, pixels: int | None, multiple: int) -> None:
    found = list(cut_strips(height, width, halo, pixels=pixels, multiple=multiple))
    assert [row for strip in found for row in range(height)[strip.rows]] == list(range(height))
    for rows, around, inner in found:
        assert range(height)[around][inner] == range(height)[rows]
        assert around.start == max(0, rows.start - halo) and around.stop == min(height, rows.stop + halo)
    counts = [strip.rows.stop - strip.rows.start for strip in found]
    if halo <= multiple:
        assert not any(count % multiple for count in counts[:-1])
    # Never more than was asked for, unless that is too little for the halo or for one multiple.
    wanted = (pixels or strips.STRIP_PIXELS) // width
    assert max(counts) <= max(halo, wanted, multiple)


def test_large_frames_are_two_strips_at_least_and_small_ones_whole() -> None:
    assert len(list(cut_strips(256, UNDIVIDED // 256))) == 1
    assert [strip.rows for strip in cut_strips(257, UNDIVIDED // 256)] == [slice(0, 129), slice(129, 257)]
    # A multiple has its way.
    assert next(cut_strips(257, UNDIVIDED // 256, multiple=4)).rows == slice(0, 128)


def test_pixels_are_those_of_the_call_or_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(list(cut_strips(100, 50, pixels=500))) == 10
    monkeypatch.setattr(strips, "STRIP_PIXELS", 1000)
    assert len(list(cut_strips(100, 50))) == 5
    assert len(list(cut_strips(100, 50, pixels=500))) == 10
    assert len(list(cut_strips(100, 2000))) == 100  # a row each


def test_a_gpu_is_given_frames_whole_until_they_are_very_large() -> None:
    assert len(list(cut_strips(1080, 1920, device="cuda"))) == 1
    assert len(list(cut_strips(2160, 3840 * 2, device="cuda"))) == 4
