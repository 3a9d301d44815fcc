"""The schedule: which levels there are, and what happens at each."""

from __future__ import annotations

from typing import NamedTuple

from flowcli.coarse_to_fine.config import MATCH, Config
from flowcli.coarse_to_fine.gate import MEDIAN_UPDATE, VARIATIONAL_UPDATE, Update
from flowcli.coarse_to_fine.match import count_costs
from flowcli.coarse_to_fine.residual import Residual, residual_update
from flowcli.coarse_to_fine.resize import Size


class Step(NamedTuple):
    """One level.

    Attributes:
        size: (height, width) in pixels.
        updates: what may change the flow there, in order.
        both: whether forward and backward flow are estimated together and checked against each other.
        matched: whether the estimate starts here from an exhaustive match.
    """

    size: Size
    updates: list[Update]
    both: bool
    matched: bool

    @property
    def eight_bit(self) -> bool:
        """Whether frames in 8 bits will do: only the network sees more of a pixel."""
        return all(update in (VARIATIONAL_UPDATE, MEDIAN_UPDATE) for update in self.updates)


def plan_levels(full: Size, residual: Residual | None, config: Config) -> list[Step]:
    """Return the levels at which something happens, coarsest first; one at least."""
    sizes = level_sizes(full, config)
    matched = find_matched_level(sizes, config)
    if matched is not None:
        sizes = sizes[sizes.index(matched) :]
    first = sizes[0]
    steps = [
        Step(
            size,
            plan_updates(size, first, full, residual, config),
            size == first or within(size, config.both, full),
            size == matched,
        )
        for size in sizes
    ]
    return [step for step in steps if step.updates] or steps[:1]


def level_sizes(size: Size, config: Config) -> list[Size]:
    """Sizes (height, width) of all levels, coarsest first; the last is `size` itself."""
    sizes = [size]
    scale = config.factor
    while min(size) * scale >= config.smallest:
        sizes.append((max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
        scale *= config.factor
    return sizes[::-1]


def find_matched_level(sizes: list[Size], config: Config) -> Size | None:
    """Return the level to be matched, or None if there is none that is large and small enough."""
    fitting = [size for size in sizes if min(size) >= MATCH.smallest and count_costs(size) <= MATCH.most_costs]
    return min(fitting, key=lambda size: abs(min(size) - config.matched), default=None)


def plan_updates(size: Size, first: Size, full: Size, residual: Residual | None, config: Config) -> list[Update]:
    """Say what happens at a level, in order: nothing where the flow is to be enlarged as it is.

    Variational refinement does what it can, twice, as each call of it warps anew; then the network what is left; then
    the edges of motion are filtered. At the level `first` the network is asked whatever the settings.
    """
    network = [] if residual is None else [residual_update(residual, config.variational)]
    if not config.variational:
        return network if size == first or within(size, config.finest, full) else []
    if size == first or within(size, config.asked, full):
        return [VARIATIONAL_UPDATE, VARIATIONAL_UPDATE, *network, MEDIAN_UPDATE]
    return [VARIATIONAL_UPDATE, VARIATIONAL_UPDATE, MEDIAN_UPDATE] if within(size, config.finest, full) else []


def within(size: Size, share: float, full: Size) -> bool:
    """Say whether a level is at most a share of the full size, to a pixel."""
    return max(size) <= share * max(full) + 1
