"""YUV4MPEG2 as it comes through a pipe, lists of files in text, and the index of a checkpoint in several files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.checkpoints.sharded import read_index
from flowcli.io.file_lists import read_list
from flowcli.io.limits import MAX_PIXELS
from flowcli.io.sources import open_source
from fuzz.target import Seed, Target

HEIGHT, WIDTH, COUNT = 12, 16, 3
_LARGEST = MAX_PIXELS * 3 * 8


def _read_y4m(path: Path) -> NDArray[np.uint8] | None:
    # Errors of a pipe name no file: the fuzzer looks for its name.
    from flowcli.errors import FlowcliError

    try:
        with path.open("rb", buffering=0) as stream:
            first = None
            for number, pair in enumerate(open_source(["-"], stdin=stream).pairs()):  # pyright: ignore[reportArgumentType]
                first = pair.frame1 if first is None else first
                if number > 4 * COUNT:
                    break
            return first
    except FlowcliError as error:
        raise type(error)(f"{path}: {error}") from error


def _y4m_seeds() -> list[Seed]:
    grey = np.add.outer(np.arange(HEIGHT) * 9, np.arange(WIDTH) * 6).astype(np.uint8) + 16
    half = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    planes = {"420jpeg": [grey, half, half], "mono": [grey], "444": [grey, grey, grey]}
    seeds = []
    for kind, parts in planes.items():
        header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip A1:1 C{kind}\n".encode()
        seeds.append(Seed(kind, header + COUNT * (b"FRAME\n" + b"".join(part.tobytes() for part in parts))))
    return seeds


def _read_names(path: Path) -> list[str]:
    return [Path(name).name for name in read_list(path)]


def _list_seeds() -> list[Seed]:
    return [
        Seed("plain", b"a.png\nb.png\n", ["a.png", "b.png"]),
        Seed("concat, mark", b"\xef\xbb\xbf# list\r\nfile 'a b.png'\r\nfile c.png\r\n", ["a b.png", "c.png"]),
    ]


def _read_shards(path: Path) -> dict[str, list[str]]:
    return {file.name: names for file, names in read_index(path).items()}


def _index_seeds() -> list[Seed]:
    content = {"metadata": {"total_size": 8}, "weight_map": {"a.weight": "one.bin", "b.weight": "two.bin"}}
    return [Seed("two files", json.dumps(content).encode(), {"one.bin": ["a.weight"], "two.bin": ["b.weight"]})]


def _prepare_shards(folder: Path) -> None:
    for name in ("one.bin", "two.bin"):
        (folder / name).write_bytes(b"x")


_Y4M = (
    b"YUV4MPEG2 ",
    b"FRAME\n",
    b" W16",
    b" H12",
    b" F25:1",
    b" F0:0",
    b" C420jpeg",
    b" C444p10",
    b" Ib",
    b" A0:0",
    b"\n",
)
_JSON = (b"weight_map", b'"', b"{", b"}", b"[", b":", b"../", b"/etc/passwd", b"null", b"one.bin", b"\\u0000")
STREAMS = [
    Target("y4m-stdin", ".y4m", _read_y4m, _y4m_seeds, _Y4M, largest=_LARGEST, needed=8),
    Target("list", ".txt", _read_names, _list_seeds, (b"file '", b"'", b"#", b"\n", b"\r\n", b"\0", b"://", b"\xff")),
    Target("shards", ".bin.index.json", _read_shards, _index_seeds, _JSON, prepare=_prepare_shards),
]
