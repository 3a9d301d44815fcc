"""What there is to choose from: known and stored weights, described without loading torch."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flowcli.checkpoints.digest import compute_sha256
from flowcli.checkpoints.manifest import COARSE, EMBEDDED, KNOWN, KnownFile, KnownWeights
from flowcli.checkpoints.safetensors_header import read_safetensors_header
from flowcli.checkpoints.store import embedded_path, list_names, stored_path
from flowcli.errors import WeightsError

# Constants of the compact network that training does not change.
_BUFFERS = "pixels.whitening_"
EPE_KEY = "epe"
"""Metadata key of a checkpoint's measured errors: JSON, data set -> mean end-point error in pixels."""


@dataclass(frozen=True)
class WeightsSummary:
    """One row of `flowcli weights list`; None where nobody says.

    Attributes:
        name: what `--model` calls it.
        path: where its file is or would be.
        present: whether it is there.
        bytes: size of the file that is there.
        sha256: digest of the file that is there, if it was asked for.
        parameters: trained numbers.
        licence: of the weights.
        epe: mean end-point error in pixels by data set, as published or as the file says.
        description: one line.
        files: what is published, in the order in which `pull` tries them.
    """

    name: str
    path: str
    present: bool
    bytes: int | None
    sha256: str | None
    parameters: int | None
    licence: str | None
    epe: dict[str, float]
    description: str
    files: tuple[KnownFile, ...]


def summarise_weights(*, digests: bool = False) -> list[WeightsSummary]:
    """Describe every known and every stored set of weights; with `digests`, read every file that is there."""
    return [_summarise(name, digests) for name in list_names()]


def _summarise(name: str, digests: bool) -> WeightsSummary:
    known = KNOWN.get(name) or KnownWeights("imported", licence="")
    path = _find(name)
    present = path is not None and path.is_file()
    parameters, epe = known.parameters, dict(known.epe)
    if present and path is not None:
        with suppress(WeightsError):  # damaged, or a layout without a header: the listing goes on without it
            header = read_safetensors_header(path)
            parameters = sum(math.prod(shape) for key, shape in header.shapes.items() if not key.startswith(_BUFFERS))
            epe = epe or _parse_epe(header.metadata.get(EPE_KEY, "{}"))
    return WeightsSummary(
        name=name,
        path=str(path or ""),
        present=present,
        bytes=path.stat().st_size if present and path is not None else None,
        sha256=_digest(path) if present and path is not None and digests else None,
        parameters=parameters,
        licence=known.licence or None,
        epe=epe,
        description=known.description,
        files=known.files,
    )


def _digest(path: Path) -> str | None:
    with suppress(OSError):
        return compute_sha256(path)
    return None


def _find(name: str) -> Path | None:
    if name not in (EMBEDDED, COARSE):
        return stored_path(name)
    with suppress(WeightsError):
        return embedded_path(name)
    return None


def _parse_epe(text: str) -> dict[str, float]:
    with suppress(ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return {str(dataset): float(error) for dataset, error in json.loads(text).items()}
    return {}
