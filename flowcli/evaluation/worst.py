"""The pairs an estimator fails on most: a picture of each, and one page to look into all of them."""

from __future__ import annotations

import heapq
import re
from pathlib import Path

from flowcli.errors import OutputError
from flowcli.evaluation.comparison import draw_comparison, thin
from flowcli.evaluation.metrics import METRICS
from flowcli.evaluation.run import PairResult
from flowcli.io.image import write_result
from flowcli.viewer import About, Clip, ViewedPair, write_page


class WorstPairs:
    """Keeps the `count` results of one model with the largest EPE; only those are held in memory."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen = 0
        self._kept: list[tuple[float, int, PairResult]] = []

    def add(self, result: PairResult) -> None:
        """Take in one more result; of equal errors the earlier one stays."""
        self._seen += 1
        error = result.errors.value("epe")
        assert error is not None  # `measure` refuses a truth without known pixels
        heapq.heappush(self._kept, (error, -self._seen, result))
        if len(self._kept) > self._count:
            heapq.heappop(self._kept)

    def save(self, folder: Path, model: str) -> list[Path]:
        """Draw the kept results, worst first, into files that start with the model's name and the rank.

        Raises:
            OutputError: if `folder` cannot be made or written to.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: expected a folder to write pictures to, got {error.strerror}") from error
        paths: list[Path] = []
        for rank, (_, _, result) in enumerate(self._ranked(), start=1):
            pair = result.pair
            picture = draw_comparison(
                pair.read_frames()[0], pair.read_truth(), result.estimate, model, pair.name, pair.truth_factor
            )
            path = folder / f"{_file_name(model, f'{rank:03d}', pair.dataset, pair.name)}.png"
            write_result(path, picture)
            paths.append(path)
        return paths

    def save_page(self, folder: Path, model: str) -> Path:
        """Write one page to look into the kept results, worst first; `folder` is there.

        Raises:
            OutputError: if it cannot be written.
        """
        path = folder / f"{_file_name(model, 'worst')}.html"
        clip = Clip(count=len(self._kept))
        for _, _, result in self._ranked():
            pair = result.pair
            frame1, frame2 = pair.read_frames()
            truth = thin(pair.read_truth(), pair.truth_factor)
            errors = {key: result.errors.value(key) for key in METRICS}
            name = f"{pair.dataset} {pair.name}"
            clip.add(ViewedPair(name, (result.estimate, truth), frame1, frame2, errors=errors))
        rows = {"model": model, "shown": f"the {len(clip.kept)} worst of {self._seen} pairs"}
        write_page(path, clip, About(f"{model}, worst pairs", [model, "truth"], rows, fps=1))
        return path

    def _ranked(self) -> list[tuple[float, int, PairResult]]:
        return sorted(self._kept, key=lambda kept: kept[:2], reverse=True)


def _file_name(*parts: str) -> str:
    return "_".join(re.sub(r"[^\w.-]+", "-", part).strip("-") for part in parts)
