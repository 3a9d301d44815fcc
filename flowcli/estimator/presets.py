"""How much work the coarse-to-fine estimate does: error against time; weights/README.md has the measured curve."""

from __future__ import annotations

from dataclasses import dataclass

from flowcli.errors import UsageError
from flowcli.estimator.pyramid import PyramidSettings


@dataclass(frozen=True)
class Preset:
    """Settings of one choice.

    Attributes:
        pyramid: the levels.
        overlap: overlap of tiles in pixels.
    """

    pyramid: PyramidSettings
    overlap: int


DEFAULT_PRESET = "balanced"
PRESETS = {
    # The network works up to a third of the size, and the polish does the rest.
    "fast": Preset(PyramidSettings(finest=0.36, both=0.36, twice=0.0, matched=45), overlap=8),
    "balanced": Preset(PyramidSettings(finest=0.71, both=0.36, twice=0.25), overlap=8),
    "best": Preset(PyramidSettings(), overlap=12),
}


def find_preset(name: str) -> Preset:
    """Return a preset by name; UsageError for another name."""
    if name not in PRESETS:
        raise UsageError(f"expected a preset of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]
