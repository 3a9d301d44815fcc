"""What is wrong with the frames of a video file, in one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

# So many places are named; of more only the number.
_NAMED = 8


@dataclass(frozen=True)
class Damage:
    """What is wrong with a file.

    Attributes:
        damaged: numbers of frames that show damage, ascending: patched up by FFmpeg, or predicted from such a frame.
        missing: for each frame that is lost the number of the one that comes in its place, ascending.
        end: why the file ends early, or None.
        reason: the first thing that FFmpeg says of the damage, or "".
    """

    damaged: Sequence[int] = field(default_factory=tuple)
    missing: Sequence[int] = field(default_factory=tuple)
    end: str | None = None
    reason: str = ""

    @property
    def within(self) -> bool:
        """Whether something is wrong before the end."""
        return bool(self.damaged or self.missing)

    def describe(self, first: int, stop: int, length: int) -> str | None:
        """Return what is wrong with frames `first` to before `stop` of `length`; None if nothing is."""
        damaged = [number for number in self.damaged if first <= number < stop]
        missing = [place for place in self.missing if first < place < stop]
        at_end = [place for place in self.missing if place == stop == length]
        parts: list[str] = []
        if damaged:
            parts.append(f"{_frames(damaged)} {'is' if len(damaged) == 1 else 'are'} damaged")
        if missing:
            parts.append(f"{_count(missing)} lost before {_frames(sorted(set(missing)))}")
        if at_end:
            parts.append(f"{_count(at_end)} lost at the end")
        if parts:
            because = f" (FFmpeg says: {self.reason})" if self.reason else ""
            parts = [f"{' and '.join(parts)}{because}; do not trust the flow there"]
        if self.end is not None and stop == length:
            parts.append(f"damaged or cut short after frame {length - 1} ({self.end}); the frames before were used")
        return "; ".join(parts) or None


@dataclass(frozen=True)
class Met:
    """What turned out to be wrong while frames were read.

    Attributes:
        reached: number of the frame before which reading ended.
        damaged: numbers of frames that show damage, or that another stands in for.
        reason: the first thing that FFmpeg says of it, or "".
    """

    reached: int = 0
    damaged: frozenset[int] = frozenset()
    reason: str = ""

    @classmethod
    def of(cls, several: Iterable[Met]) -> Met:
        """Put together what several readings have met."""
        ordered = sorted(several, key=lambda met: met.reached)
        reached = max((met.reached for met in ordered), default=0)
        damaged = frozenset[int]().union(*(met.damaged for met in ordered))
        return cls(reached, damaged, next((met.reason for met in ordered if met.reason), ""))


def _count(places: Sequence[int]) -> str:
    return "1 frame is" if len(places) == 1 else f"{len(places)} frames are"


def _frames(numbers: Sequence[int]) -> str:
    return f"frame{'s' if len(numbers) > 1 else ''} {name_ranges(numbers)}"


def name_ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as text: `3-5, 9`; of many only the first places are named."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    names = [str(a) if a == b else f"{a}-{b}" for a, b in ranges[:_NAMED]]
    more = len(ranges) - len(names)
    return ", ".join(names) + (f" and {more} more places" if more > 0 else "")
