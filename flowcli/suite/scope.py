"""What a suite measures: its parts, and how much of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from flowcli.suite.contestants import Contestant

Size = tuple[int, int]
"""(height, width) in pixels."""

Part = Literal["pairs", "errors", "video", "batch", "start"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class Scope:
    """How much of each part.

    Attributes:
        about: how long it takes, for people.
        sizes: of single pairs.
        rounds: in which pairs of these sizes take turns, after one that is not counted.
        large_rounds: the same above LARGE, where a first run costs no more than others.
        rendered: pairs of the rendered benchmark: the first of each of its five kinds, the second of each, and so on.
        video_sizes: of the videos.
        video_frames: of each.
        clips: of a batch.
        clip_size: of each.
        clip_frames: of each.
        command_rounds: in which whole commands take turns.
    """

    about: str
    sizes: Sequence[Size]
    rounds: int
    large_rounds: int
    rendered: int
    video_sizes: Sequence[Size]
    video_frames: int
    clips: int
    clip_size: Size
    clip_frames: int
    command_rounds: int


LARGE = 3.0
"""Megapixels."""

ScopeName = Literal["quick", "full"]
SCOPES: dict[ScopeName, Scope] = {
    "quick": Scope(
        about="minutes",
        sizes=((368, 688), (436, 1024), (1080, 1920)),
        rounds=2,
        large_rounds=2,
        rendered=10,
        video_sizes=((480, 854),),
        video_frames=10,
        clips=4,
        clip_size=(240, 320),
        clip_frames=6,
        command_rounds=2,
    ),
    "full": Scope(
        about="hours",
        sizes=((368, 688), (436, 1024), (720, 1280), (1080, 1920), (2160, 3840), (4320, 7680)),
        rounds=3,
        large_rounds=2,
        rendered=100,
        video_sizes=((480, 854), (1080, 1920)),
        video_frames=100,
        clips=20,
        clip_size=(240, 320),
        clip_frames=10,
        command_rounds=2,
    ),
}


@dataclass(frozen=True)
class Run:
    """One run of a suite.

    Attributes:
        scope: how much.
        contestants: who takes part.
        folder: for inputs and results, of which nothing stays.
        pairs: a list of pairs with truth in the place of the rendered benchmark, or None.
        threads: CPU threads of each; None: their own choice.
        device: of the networks.
    """

    scope: Scope
    contestants: Sequence[Contestant]
    folder: Path
    pairs: Path | None = None
    threads: int | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Fault:
    """A contestant that could not do its part, and why."""

    part: Part
    method: str
    reason: str


def megapixels(size: Size) -> float:
    """Return 10^6 pixels."""
    return size[0] * size[1] / 1e6
