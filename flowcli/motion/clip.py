"""The numbers of a clip, from those of its pairs, one by one."""

from __future__ import annotations

from collections.abc import Mapping

from flowcli.motion.columns import CLIP_COLUMNS, PAIR_COLUMNS
from flowcli.motion.vbench import is_dynamic

_AVERAGED = tuple(
    name for name, column in PAIR_COLUMNS.items() if column.is_measured and column.clip is None and name in CLIP_COLUMNS
)


class ClipSummary:
    """Running sums over the pairs of a clip; memory does not grow with their number."""

    def __init__(self) -> None:
        self._pairs = self._cuts = self._dynamic = 0
        self._duration = 0.0
        self._size: tuple[object, object] = (None, None)
        self._sums = dict.fromkeys(_AVERAGED, 0.0)
        self._counts = dict.fromkeys(_AVERAGED, 0)

    def add(self, row: Mapping[str, object]) -> None:
        """Take the columns of one more pair."""
        self._pairs += 1
        self._size = row["width"], row["height"]
        self._duration += _number(row["duration"])
        self._dynamic += bool(row["dynamic"])
        if row["scene_cut"]:
            self._cuts += 1
            return
        for name in _AVERAGED:
            if row[name] is not None:
                self._sums[name] += _number(row[name])
                self._counts[name] += 1

    def row(self, clip: str, source: str, status: str) -> dict[str, object]:
        """Return the columns of the clip, in the order of the table; None where no pair says anything."""
        means = {name: self._sums[name] / self._counts[name] if self._counts[name] else None for name in _AVERAGED}
        values: dict[str, object] = {
            "clip": clip,
            "input": source,
            "status": status,
            "pairs": self._pairs,
            "duration": self._duration if self._pairs else None,
            "width": self._size[0],
            "height": self._size[1],
            "dynamic": is_dynamic(self._dynamic, self._pairs) if self._pairs else None,
            "scene_cuts": self._cuts,
        }
        return {name: values.get(name, means.get(name)) for name in CLIP_COLUMNS}


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)
