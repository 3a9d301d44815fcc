"""VBench's dynamic degree, with any flow in place of RAFT's.

Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and the file
`vbench/dynamic_degree.py` of its repository.

A pair moves if the mean length of its fastest 5 % of pixels exceeds 6 px for a shorter side of 256 px, in proportion to
the side, and more for videos of fewer than 8 frames per second; a clip is dynamic if a quarter of its frames move.
VBench takes every round(rate / 8)-th frame of a video.
"""

from __future__ import annotations

FASTEST = 0.05
PER_SIDE, SIDE = 6.0, 256.0
RATE = 8.0
PAIRS, FRAMES = 4, 16


def threshold(size: tuple[int, int], rate: float) -> float:
    """Return the length in pixels for frames of (height, width) `size` from a video of `rate` frames per second."""
    return max(1.0, RATE / rate) * PER_SIDE * min(size) / SIDE


def is_dynamic(moving_pairs: int, pairs: int) -> bool:
    """Return whether a clip is dynamic in which `moving_pairs` of `pairs` move."""
    return moving_pairs >= max(1, round(PAIRS * (pairs + 1) / FRAMES))
