"""Lists of pairs as evaluation and batches read them, and the journal of a batch."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import closing
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from flowcli.estimator import Estimator
from flowcli.evaluation.pair_list import read_pair_list
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow
from flowcli.io.image import write_image
from flowcli.jobs.batch import Batch
from flowcli.jobs.job import ItemJob
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import plan_batch
from flowcli.jobs.settings import BatchSettings
from fuzz import structures
from fuzz.target import Seed, Target

_CSV = (
    *(
        b"dataset",
        b"name",
        b"frame1",
        b"frame2",
        b"flow",
        b",",
        b'"',
        b'""',
        b"\n",
        b"\r",
        b"\r\n",
        b"\t",
        b"\xef\xbb\xbf",
    ),
    *(
        b"a.png",
        b"t.flo",
        b"..",
        b"/",
        b"~",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\x1b[2J",
        b"x" * 200_000,
        b"y" * 300,
        b"*",
    ),
)
_ORDINARY_TIME = 1_700_000_000
_SETTINGS = BatchSettings(".flo", ".flo", None)


def prepare_pairs(folder: Path) -> None:
    """Put what the lists name into `folder`: a.png, b.png, t.flo."""
    for name in ("a.png", "b.png"):
        write_image(folder / name, np.zeros((12, 16, 3), np.uint8))
    write_flow(folder / "t.flo", FlowField(np.zeros((12, 16, 2), np.float32)))


def _read_labelled(path: Path) -> list[tuple[str, str, str, str]]:
    return [(pair.dataset, pair.name, pair.frame1.name, pair.frame2.name) for pair in read_pair_list(path)]


def _read_batch(path: Path) -> list[tuple[str, str, str]]:
    items = plan_batch([str(path)], path.parent / "out")
    return [(item.name, *(Path(text).name for text in item.inputs)) for item in items]


def _labelled_seeds() -> list[Seed]:
    rows = [b"set,one,a.png,b.png,t.flo", b"set,two,b.png,a.png,t.flo"]
    answer = [("set", "one", "a.png", "b.png"), ("set", "two", "b.png", "a.png")]
    plain = b"\n".join([b"dataset,name,frame1,frame2,flow", *rows]) + b"\n"
    other = b"\xef\xbb\xbfnote,flow,frame2,frame1,name,dataset\r\n"
    other += b'"a,\nb",t.flo,b.png,a.png,one,set\r\n,t.flo,a.png,b.png,"two",set'
    return [Seed("plain", plain, answer), Seed("other order, quotes, mark", other, answer)]


def _batch_seeds() -> list[Seed]:
    plain = b"name,frame1,frame2\none,a.png,b.png\ntwo,b.png,a.png\n"
    answer = [("one", "a.png", "b.png"), ("two", "b.png", "a.png")]
    nameless = b"frame1,frame2\r\na.png,b.png\r\n"
    return [
        Seed("plain", plain, answer),
        Seed("data sets", b"dataset,name,frame1,frame2\ns,one,a.png,b.png\n", [("s/one", "a.png", "b.png")]),
        Seed("without names", nameless, [("a", "a.png", "b.png")]),
    ]


def _prepare_journal(folder: Path) -> None:
    (folder / "in").mkdir()
    for k in range(3):
        path = folder / "in" / f"{k}.png"
        write_image(path, np.full((12, 16, 3), 9 * k, np.uint8))
        os.utime(path, (_ORDINARY_TIME, _ORDINARY_TIME))


_PLACE = b"@FOLDER@"
"""Stands for the folder that holds inputs and outputs: a journal has the full paths of its inputs."""


@lru_cache(maxsize=1)
def _estimator() -> Estimator:
    return Estimator("zero")


def _no_work(jobs: list[ItemJob]) -> Generator[tuple[str, object], None, None]:
    yield from ()


def _run(folder: Path, output: Path, *, overwrite: bool, work: bool) -> list[tuple[str, int, str | None, bool]]:
    estimator = _estimator()
    batch = Batch(plan_batch([str(folder / "in")], output), _SETTINGS, output, estimator.settings)
    engine = partial(run_here, estimator=estimator) if work else _no_work
    with closing(batch.run(engine, lambda item: 2, overwrite=overwrite)) as events:
        for _ in events:
            pass
    return [(outcome.name, outcome.pairs, outcome.fault, outcome.skipped) for outcome in batch.outcomes]


def _read_journal(path: Path) -> list[tuple[str, int, str | None, bool]]:
    """What a batch finds done when it continues; then it begins anew. Nothing outside its folder may be touched."""
    folder, output = path.parent, path.parent / "fuzzed-output"
    canary = folder / "canary.txt"
    canary.touch()
    (output / ".flowcli").mkdir(parents=True)
    (output / "in").mkdir()
    for name in ("0.flo", "1.flo"):
        result = output / "in" / name
        result.write_bytes(bytes(12 + 12 * 16 * 8))
        os.utime(result, (_ORDINARY_TIME, _ORDINARY_TIME))
    journal = output / ".flowcli" / "journal.jsonl"
    journal.write_bytes(path.read_bytes().replace(_PLACE, os.fsencode(folder)))
    try:
        answer = _run(folder, output, overwrite=False, work=False)
        _run(folder, output, overwrite=True, work=False)
    finally:
        shutil.rmtree(output)
        if not canary.exists():
            raise AssertionError("a file outside the output folder was removed")
    return answer


def _at_an_ordinary_time(line: bytes) -> bytes:
    event = json.loads(line)
    for mark in event.get("files", {}).values():
        mark[1] = _ORDINARY_TIME * 10**9
    return json.dumps(event).encode() + b"\n"


def _journal_seeds() -> list[Seed]:
    with tempfile.TemporaryDirectory() as name:
        folder, output = Path(name).resolve(), Path(name).resolve() / "fuzzed-output"
        _prepare_journal(folder)
        _run(folder, output, overwrite=False, work=True)
        journal = (output / ".flowcli" / "journal.jsonl").read_bytes().replace(os.fsencode(folder), _PLACE)
    lines = [_at_an_ordinary_time(line) for line in journal.splitlines()]
    done = b"".join(lines)
    ended = [("in", 2, None, True)]
    return [
        Seed("ended", done, ended),
        Seed("torn last line", done + b'{"event": "sta', ended),
        Seed("only begun", lines[0], []),
        Seed("nothing", b"", readable=False),
    ]


LISTS = [
    Target("pairs-evaluate", ".csv", _read_labelled, _labelled_seeds, _CSV, prepare=prepare_pairs),
    Target("pairs-batch", ".csv", _read_batch, _batch_seeds, _CSV, prepare=prepare_pairs),
    Target(
        "journal",
        ".jsonl",
        _read_journal,
        _journal_seeds,
        (
            b'"event"',
            b'"start"',
            b'"part"',
            b'"end"',
            b'"item"',
            b'"files"',
            b"../canary.txt",
            b"\n",
            b"{",
            b"}",
            b"null",
        ),
        None,
        (structures.change_json_lines,),
        _prepare_journal,
    ),
]
