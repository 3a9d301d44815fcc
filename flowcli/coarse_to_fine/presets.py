"""How much work the coarse-to-fine estimate does: error against time; weights/README.md has the measured curve."""

from __future__ import annotations

from dataclasses import dataclass

from flowcli.coarse_to_fine.pipeline import PyramidSettings
from flowcli.errors import UsageError


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
    # The network at the matched level only.
    "fast": Preset(PyramidSettings(both=0.36, asked=0.0, finest=0.5, finishes=2), overlap=8),
    "balanced": Preset(PyramidSettings(), overlap=8),
    "best": Preset(PyramidSettings(both=0.71, asked=0.5, finest=1.0, finishes=4), overlap=12),
}


def find_preset(name: str) -> Preset:
    """Return a preset by name; UsageError for another name."""
    if name not in PRESETS:
        raise UsageError(f"expected a preset of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]
