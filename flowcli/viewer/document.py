"""The page as one file: template, style and script from `page/`, data in blocks that are never run.

All text is data: it goes into JSON, with every `<` escaped, and the script puts it on the page as text alone. The
content security policy lets nothing run or load but the style and the script with these hashes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flowcli import __version__
from flowcli.errors import InputError
from flowcli.io.atomic import replace_when_complete
from flowcli.viewer.bundle import bundle, read_part
from flowcli.viewer.clip import Clip, PackedPair
from flowcli.viewer.pictures import JPEG_QUALITY
from flowcli.viewer.planes import Plane
from flowcli.viz.colors import hsv_hues, middlebury_hues
from flowcli.viz.magnitude import color_map

_DIRECTIONS = 1024
_LONGEST_TEXT = 10_000


@dataclass(frozen=True)
class About:
    """What a page says of its content.

    Attributes:
        title: of the page.
        labels: names of the flows of each pair, one or two.
        rows: what made it, settings: name -> value.
        fps: pairs per second when played.
    """

    title: str
    labels: Sequence[str]
    rows: Mapping[str, object] = field(default_factory=dict)
    fps: float = 25.0


def write_page(path: str | Path, clip: Clip, about: About) -> None:
    """Write the page, atomically.

    Raises:
        InputError: no pair was kept.
        OutputError: the file cannot be written.
    """
    if not clip.kept:
        raise InputError("expected at least one pair to show, got none")
    with replace_when_complete(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for part in _render(clip, about):
            file.write(part)


def _render(clip: Clip, about: About) -> Iterator[str]:
    style, script = read_part("style.css"), bundle()
    blocks: list[bytes] = []
    content = _describe(clip, about, blocks)
    policy = (
        "default-src 'none'; img-src data: blob:; "
        f"script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = read_part("index.html")
    # In one pass, so that nothing that was put in is taken for a place to fill.
    texts = {
        "policy": html.escape(policy),
        "title": html.escape(_cut(about.title)),
        "generator": f"flowcli {__version__}",
        "style": style,
        "content": json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace(
            "<", "\\u003c"
        ),
        "script": script,
    }
    while (start := page.find("{{")) >= 0:
        end = page.index("}}", start)
        yield page[:start]
        name, page = page[start + 2 : end], page[end + 2 :]
        if name == "blocks":
            for number, data in enumerate(blocks):
                text = base64.b64encode(data).decode("ascii")
                yield f'<script type="application/octet-stream" id="block-{number}">{text}</script>\n'
        else:
            yield texts[name]
    yield page


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _describe(clip: Clip, about: About, blocks: list[bytes]) -> dict[str, Any]:
    """Return the JSON that `page/data.js` reads, and collect the blocks that it names by number."""
    frames: dict[int, int] = {}

    def add(data: bytes) -> int:
        blocks.append(data)
        return len(blocks) - 1

    def plane(one: Plane | None) -> dict[str, Any] | None:
        return None if one is None else {"block": add(one.data), "filter": one.filter, "bits": one.bits}

    def describe(pair: PackedPair) -> dict[str, Any]:
        return {
            "name": _cut(pair.name),
            "index": pair.index,
            "time": pair.time,
            "height": pair.size[0],
            "width": pair.size[1],
            "frames": [None if frame is None else frames[id(frame)] for frame in pair.frames],
            "flows": [
                {
                    "kind": flow.kind,
                    "step": flow.step,
                    "exact": flow.exact,
                    "storage": flow.describe(),
                    "u": plane(flow.u),
                    "v": plane(flow.v),
                    "known": plane(flow.known),
                }
                for flow in pair.flows
            ],
            "occluded": plane(pair.occluded),
            "confidence": plane(pair.confidence),
            "errors": dict(pair.errors),
        }

    pictures = []
    for frame in clip.pictures():
        frames[id(frame)] = len(pictures)
        pictures.append({"block": add(frame.data), "type": frame.type})
    storage = {"image/png": "PNG, exact", "image/jpeg": f"JPEG, quality {JPEG_QUALITY}"}
    rows = dict(about.rows)
    if pictures:
        rows["frames stored as"] = ", ".join(sorted({storage[picture["type"]] for picture in pictures}))
    rows["flow stored as"] = "; ".join(sorted({flow.describe() for pair in clip.kept for flow in pair.flows}))
    return {
        "title": _cut(about.title),
        "generator": f"flowcli {__version__}",
        "labels": [_cut(label) for label in about.labels],
        "about": [[_cut(str(name)), _cut(str(value))] for name, value in rows.items()],
        "notes": clip.notes,
        "fps": about.fps,
        "scale": clip.scale,
        "reduction": clip.reduction,
        "hues": {name: _table(hues) for name, hues in (("wheel", middlebury_hues), ("hsv", hsv_hues))},
        "viridis": base64.b64encode(color_map().tobytes()).decode("ascii"),
        "frames": pictures,
        "pairs": [describe(pair) for pair in clip.kept],
    }


def _table(hues: Any) -> str:
    """The colours of all directions: the page has no wheel of its own that could differ from `flowcli.viz`."""
    return base64.b64encode(np.rint(255 * hues(np.arange(_DIRECTIONS) / _DIRECTIONS)).astype(np.uint8)).decode("ascii")


def _cut(text: str) -> str:
    # A byte of a file name that is no UTF-8 cannot stand in a page.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
