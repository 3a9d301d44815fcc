from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from textured_frames import nothing

from flowcli.coarse_to_fine.config import MATCH, PRESETS, Config
from flowcli.coarse_to_fine.gate import MEDIAN_UPDATE, VARIATIONAL_UPDATE
from flowcli.coarse_to_fine.match import count_costs
from flowcli.coarse_to_fine.residual import Residual
from flowcli.coarse_to_fine.schedule import find_matched_level, level_sizes, plan_levels, plan_updates, within

CONFIG = Config()


def test_levels_shrink_to_the_smallest_side_and_end_at_full_size() -> None:
    sizes = level_sizes((436, 1024), CONFIG)
    assert sizes[-1] == (436, 1024)
    assert min(sizes[0]) >= CONFIG.smallest
    assert min(sizes[0]) * CONFIG.factor < CONFIG.smallest
    assert all(a < b for a, b in pairwise(sizes))
    assert level_sizes((1, 1), CONFIG) == [(1, 1)]
    assert level_sizes((1, 4000), CONFIG) == [(1, 4000)]


def test_the_matched_level_is_neither_tiny_nor_costly() -> None:
    for size, expected in (((1080, 1920), (62, 111)), ((436, 1024), (51, 120)), ((20, 30), (20, 30))):
        assert find_matched_level(level_sizes(size, CONFIG), CONFIG) == expected
    for size in ((15, 4000), (24, 60_000), (1, 1)):
        assert find_matched_level(level_sizes(size, CONFIG), CONFIG) is None
    long = find_matched_level(level_sizes((100, 5000), CONFIG), CONFIG)
    assert long is not None and count_costs(long) <= MATCH.most_costs


def letters(size: tuple[int, int], config: Config, first: tuple[int, int] = (0, 0)) -> str:
    """The updates at a level of 1024x436: variational, median, network."""
    updates = plan_updates(size, first, (436, 1024), nothing, config)
    known = {VARIATIONAL_UPDATE: "v", MEDIAN_UPDATE: "m"}
    return "".join(known.get(update, "n") for update in updates)


def test_the_network_is_asked_after_the_refinement_and_only_up_to_its_share() -> None:
    config = Config(asked=0.25, finest=0.5)
    sizes = level_sizes((436, 1024), config)
    assert [letters(size, config) for size in sizes] == ["vvnm"] * 5 + ["vvm", "vvm", "", ""]
    fast = replace(config, asked=0.0)
    assert letters((51, 120), fast, first=(51, 120)) == "vvnm"
    assert letters((73, 172), fast, first=(51, 120)) == "vvm"
    alone = replace(config, variational=False)
    assert [letters(size, alone) for size in sizes] == ["n"] * 7 + ["", ""]


@pytest.mark.parametrize("residual", [None, nothing])
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("full", [(1, 1), (12, 60), (40, 60), (436, 1024), (2160, 3840), (24, 60_000)])
def test_levels_grow_from_the_matched_one_and_both_directions_come_first(
    full: tuple[int, int], name: str, residual: Residual | None
) -> None:
    config = PRESETS[name]
    steps = plan_levels(full, residual, config)
    sizes = [step.size for step in steps]
    assert sizes == sorted(sizes) and all(step.updates for step in steps)
    assert steps[0].both and [step.both for step in steps] == sorted((step.both for step in steps), reverse=True)
    assert all(within(step.size, config.both, full) for step in steps[1:] if step.both)
    matched = find_matched_level(level_sizes(full, config), config)
    assert [step.matched for step in steps] == [matched is not None] + [False] * (len(steps) - 1)
    assert matched in (None, sizes[0])


def test_only_the_network_sees_more_than_8_bits() -> None:
    config = Config()
    for residual in (None, nothing):
        for step in plan_levels((1080, 1920), residual, config):
            asked = residual is not None and within(step.size, config.asked, (1080, 1920))
            assert step.eight_bit == (not asked)
