"""Frame pairs from anywhere: `open_source` turns what the user named into a FrameSource.

`images`, `raw` and `video` hold a FrameReader each; `base` makes pairs of what they read, `open` picks the reader.
"""

from flowcli.io.sources.base import Footage, FramePair, FrameReader, FrameSource, PairName
from flowcli.io.sources.open import DEFAULT_FPS, expect_pairs, open_source

__all__ = [
    "DEFAULT_FPS",
    "Footage",
    "FramePair",
    "FrameReader",
    "FrameSource",
    "PairName",
    "expect_pairs",
    "open_source",
]
