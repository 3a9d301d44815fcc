"""How two flows of the same frames differ: one of them is the reference, as a truth is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import InputError
from flowcli.evaluation.metrics import PairErrors, measure
from flowcli.flow import FlowField
from flowcli.io.flow import FORMATS
from flowcli.io.flow.listing import flow_stem
from flowcli.io.frames import natural_key

# The metrics of a difference: a reference says nothing of what is visible where.
KEYS = ("epe", "px1", "px3", "px5", "fl", "wauc", "angular")


@dataclass(frozen=True, eq=False)
class Difference:
    """How a flow differs from a reference where both are known.

    Attributes:
        errors: the measures of `flowcli.evaluation.metrics`; those of KEYS are meant.
        error: endpoint error in pixels, float32 `(H, W)`; NaN where either flow is unknown.
        missing: number of pixels that the reference knows and the flow does not.
        pixels: number of pixels.
    """

    errors: PairErrors
    error: NDArray[np.float32]
    missing: int
    pixels: int

    @property
    def largest(self) -> float:
        """The largest endpoint error, in pixels."""
        return float(np.nanmax(self.error))

    @property
    def largest_at(self) -> tuple[int, int]:
        """(x, y) of the first pixel with the largest error."""
        row, column = np.unravel_index(int(np.nanargmax(self.error)), self.error.shape)
        return int(column), int(row)

    @property
    def compared(self) -> float:
        """Share of the pixels that could be compared, in percent."""
        return 100.0 * self.errors.counts["epe"] / self.pixels


def compare_flows(flow: FlowField, reference: FlowField) -> Difference:
    """Compare two flows of one size pixel by pixel, where both are known.

    Raises:
        InputError: sizes differ, or no pixel is known in both.
    """
    if flow.size != reference.size:
        (height, width), (h, w) = reference.size, flow.size
        raise InputError(f"expected flow of {width}x{height} as the reference, got {w}x{h}")
    known = flow.known & reference.known
    if not known.any():
        raise InputError("expected at least one pixel that is known in both flows, found none")
    shared = FlowField(np.where(known[..., None], reference.uv, np.float32(np.nan)), known)
    error = np.linalg.norm(flow.uv - reference.uv, axis=2)
    missing = int(np.count_nonzero(reference.known & ~flow.known))
    return Difference(measure(flow, shared), error, missing, known.size)


@dataclass(frozen=True)
class Counterparts:
    """Flow files of two folders that belong together by their names.

    Attributes:
        names: paths below the folders without suffix, in natural order; of single files the name of the first.
        flows: the files to be judged.
        references: what they are held against.
        surplus: files to be judged that have no reference.
    """

    names: tuple[str, ...]
    flows: tuple[Path, ...]
    references: tuple[Path, ...]
    surplus: tuple[Path, ...] = ()


def match_flows(flow: Path, reference: Path) -> Counterparts:
    """Pair two flow files, or the files of two folders with all below them; formats may differ.

    Raises:
        InputError: nothing there, a file beside a folder, two files of one name, or a reference without a flow.
    """
    for path in (flow, reference):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    if flow.is_dir() != reference.is_dir():
        raise InputError(f"expected two flow files or two folders of them, got {flow} and {reference}")
    if not flow.is_dir():
        return Counterparts((flow_stem(flow),), (flow,), (reference,))
    found, wanted = list_by_name(flow), list_by_name(reference)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(
            f"{flow}: expected a flow for every reference, found none for {wanted[missing[0]]}"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}; compare sub-folders that belong together"
        )
    surplus = tuple(path for name, path in found.items() if name not in wanted)
    return Counterparts(tuple(wanted), tuple(found[name] for name in wanted), tuple(wanted.values()), surplus)


def list_by_name(folder: Path) -> dict[str, Path]:
    """Return the flow files of a folder and all below it, by their path in it without suffix, in natural order.

    As everywhere PNG files count only in a folder that has no other flow file: beside those they are pictures.

    Raises:
        InputError: there is none, or two of one name.
    """
    files = [path for path in folder.rglob("*") if path.is_file() and path.name.lower().endswith(tuple(FORMATS))]
    files = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    with_others = {path.parent for path in files if path.suffix.lower() != ".png"}
    found: dict[str, Path] = {}
    for path in sorted(files, key=lambda path: [natural_key(Path(part)) for part in path.relative_to(folder).parts]):
        if path.suffix.lower() == ".png" and path.parent in with_others:
            continue
        name = (path.parent / flow_stem(path)).relative_to(folder).as_posix()
        if name in found:
            raise InputError(f"{path}: expected one flow file of a name, found {found[name]} as well")
        found[name] = path
    if not found:
        raise InputError(f"{folder}: expected flow files ({' '.join(FORMATS)}) in the folder, found none")
    return found
