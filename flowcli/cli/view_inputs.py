"""What the user named for `flowcli view`: flow files, frames, or a list of pairs; told by suffix, else by content.

Two suffixes say nothing by themselves: a 16-bit PNG may be KITTI flow or a frame, an EXR may hold u and v or colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowcli.errors import FlowcliError, InputError, UsageError
from flowcli.io.flow import FORMATS, read_flow
from flowcli.io.frames import expand_glob, natural_key
from flowcli.io.image import IMAGE_SUFFIXES, read_stored
from flowcli.io.limits import read_bytes
from flowcli.io.png import RGB, check_png

FLOW, IMAGE, FRAMES, PAIRS = "flow", "image", "frames", "pairs"
_EXPECTED = "expected flow files, two images, a folder, a video or a list of pairs, then the flow to compare with"


@dataclass(frozen=True)
class ViewInputs:
    """What is to be shown.

    Attributes:
        flows: flow files, as typed; empty if the flow has to be estimated.
        frames: images, a folder, a glob or a video, as typed.
        pairs: a list of pairs with truth, or None.
        reference: flow to compare with, as typed, or None.
    """

    flows: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    pairs: Path | None = None
    reference: str | None = None

    @property
    def title(self) -> str:
        """The names without their folders."""
        named = [*(self.flows or self.frames), *([] if self.pairs is None else [str(self.pairs)])]
        named += [] if self.reference is None else [self.reference]
        return " and ".join(Path(text).name or text for text in named)


def read_inputs(inputs: Sequence[str], frames: Sequence[str]) -> ViewInputs:
    """Say what the arguments and `--frames` mean together.

    Raises:
        UsageError: a combination that shows nothing.
        InputError: nothing there.
    """
    kinds = [find_kind(text) for text in inputs]
    given = list(frames)
    if given and kinds[0] == FLOW:
        # The shell gave `--frames a.png b.png` as one option and one more input.
        given += [text for text, kind in zip(inputs, kinds, strict=True) if kind == IMAGE]
        inputs = [text for text, kind in zip(inputs, kinds, strict=True) if kind != IMAGE]
        kinds = [kind for kind in kinds if kind != IMAGE]
    match kinds:
        case ["flow"]:
            return ViewInputs((inputs[0],), tuple(given))
        case ["flow", "flow"]:
            return ViewInputs((inputs[0],), tuple(given), reference=inputs[1])
    if given:
        raise UsageError("--frames names the frames of flow files; give frames to estimate from as INPUT, without it")
    match kinds:
        case ["pairs"]:
            return ViewInputs(pairs=Path(inputs[0]))
        case ["image", "image"] | ["frames"]:
            return ViewInputs(frames=tuple(inputs))
        case ["image"]:  # of several pages, or a single frame, which open_source refuses
            return ViewInputs(frames=tuple(inputs))
        case ["image", "image", "flow"] | ["frames", "flow"]:
            return ViewInputs(frames=tuple(inputs[:-1]), reference=inputs[-1])
    raise UsageError(f"{_EXPECTED}; got {', '.join(kinds)}")


def find_kind(text: str) -> str:
    """Return FLOW for a flow file, or a folder or glob of them, IMAGE, PAIRS, or FRAMES for all other sequences."""
    if not text.strip():
        raise UsageError("expected the name of a file or folder, got an empty one; is a variable unset?")
    path = Path(text)
    if path.is_dir():
        names = sorted((one for one in path.iterdir() if not one.name.startswith(".")), key=natural_key)
        # Pictures of flow may lie beside flow files; as in `list_flows` those count then.
        files = [one for one in names if one.is_file() and one.name.lower().endswith(tuple(FORMATS))]
        files.sort(key=lambda one: one.suffix.lower() in IMAGE_SUFFIXES)
        return FLOW if files and _is_flow(files[0]) else FRAMES
    if not path.exists() and any(mark in text for mark in "*?["):
        first = expand_glob(text)[0]
        return FLOW if _is_flow(first) else FRAMES
    if not path.exists():
        raise InputError(f"{text}: no such file or folder")
    if path.suffix.lower() == ".csv":
        return PAIRS
    if _is_flow(path):
        return FLOW
    return IMAGE if path.suffix.lower() in IMAGE_SUFFIXES else FRAMES


def _is_flow(path: Path) -> bool:
    name, suffix = path.name.lower(), path.suffix.lower()
    if not name.endswith(tuple(FORMATS)):
        return False
    if suffix not in IMAGE_SUFFIXES:
        return True
    try:
        if suffix == ".png":
            header = check_png(read_bytes(path), str(path))
            # KITTI's third channel is a flag.
            return (header.bit_depth, header.color_type) == (16, RGB) and bool(read_stored(path).planes[2].max() <= 1)
        read_flow(path)
    except FlowcliError:
        return False
    return True
