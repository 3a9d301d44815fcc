from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from flowcli.errors import UsageError
from flowcli.runtime import ceiling
from flowcli.runtime.ceiling import (
    DEPTH,
    GIB,
    MIB,
    Demand,
    Footprint,
    Layout,
    choose_layout,
    find_least,
    list_layouts,
    predict_peak,
)

BASE = 300 * MIB
PIXELS = 2160 * 3840
DEMAND = Demand((2160, 3840), 100, 3 * PIXELS, 8 * PIXELS, 16 * PIXELS, 18 * PIXELS, kept=50 * MIB)
FOOTPRINT = Footprint(70 * PIXELS, 20 * PIXELS, 52 * MIB, 8, 8 * MIB)


@pytest.fixture(autouse=True)
def process_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling, "resident_memory", lambda: BASE)


def test_layouts_go_from_everything_at_once_to_one_after_the_other() -> None:
    layouts = list_layouts(8)
    assert layouts[0] == Layout(DEPTH)
    assert [layout.workers for layout in layouts if layout.depth == 0] == [None, 4, 2, 1]
    assert [layout.workers for layout in list_layouts(3) if layout.depth == 0] == [None, 2, 1]
    assert list_layouts(1)[-1] == Layout(0)


@pytest.mark.parametrize("pairs", [None, 1, 2, 5, 100])
@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_no_layout_takes_more_than_one_that_does_more_at_once(pairs: int | None, workers: int) -> None:
    demand, footprint = replace(DEMAND, pairs=pairs), replace(FOOTPRINT, workers=workers)
    peaks = [predict_peak(layout, demand, footprint, BASE) for layout in list_layouts(workers)]
    assert all(before >= after for before, after in pairwise(peaks))


def test_more_memory_never_means_less_at_once() -> None:
    layouts = list_layouts(FOOTPRINT.workers)
    least = find_least(DEMAND, FOOTPRINT, BASE)
    places = [
        layouts.index(choose_layout(least + step / 50, DEMAND, FOOTPRINT, "a")) for step in range(200)
    ]  # up to 4 GiB more
    assert places == sorted(places, reverse=True)
    assert places[0] > 0 and places[-1] == 0


def test_what_is_refused_names_the_least_that_works() -> None:
    with pytest.raises(UsageError, match=r"--memory 0\.25: expected at least .* for 3840x2160 frames") as refused:
        choose_layout(0.25, DEMAND, FOOTPRINT, "clip")
    match = re.search(r"at least ([\d.]+) for", str(refused.value))
    assert match is not None
    least = float(match[1])
    assert choose_layout(least, DEMAND, FOOTPRINT, "clip").depth == 0
    with pytest.raises(UsageError):
        choose_layout(least - 0.02, DEMAND, FOOTPRINT, "clip")


def test_the_least_leaves_room_for_a_process_that_is_a_little_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    least = find_least(DEMAND, FOOTPRINT, BASE)
    monkeypatch.setattr(ceiling, "resident_memory", lambda: BASE + 3 * MIB)
    assert choose_layout(least, DEMAND, FOOTPRINT, "clip").depth == 0


def test_a_pair_waits_for_nothing() -> None:
    alone = replace(DEMAND, pairs=1, opened=6 * PIXELS)
    first, *_, last = (predict_peak(layout, alone, FOOTPRINT, BASE) for layout in list_layouts(1))
    assert first == last
    assert last - BASE < FOOTPRINT.peak(8) + 70 * MIB


def test_a_system_that_does_not_tell_counts_as_a_usual_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling, "resident_memory", lambda: None)
    tiny = Demand((4, 4), 1, 48, 128, 128, 128)
    with pytest.raises(UsageError, match="expected at least"):
        choose_layout(ceiling.BARE_PROCESS / GIB, tiny, Footprint(0), "clip")
    assert choose_layout(0.5, tiny, Footprint(0), "clip") == Layout()
