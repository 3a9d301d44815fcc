"""Dense optical flow from the command line, estimated by a Perceiver IO network."""

from __future__ import annotations

__version__ = "0.1.0"
