"""The lines of journals, checked before they are believed: a journal may be damaged, old, or written by a stranger."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from flowcli.jobs.attempt import Attempt, FileMark, Files
from flowcli.jobs.settings import BatchSettings, choose_settings

# Item and kind of output.
Key: TypeAlias = tuple[str, str]


class Ledger:
    """What the lines of one journal, or of several, say.

    Attributes:
        attempts: of each output by their marks, the latest last.
    """

    def __init__(self) -> None:
        self.attempts: dict[Key, dict[str, Attempt]] = {}
        # Items of the format without kinds, until all of their lines are read.
        self._old: dict[str, Attempt] = {}

    def add(self, event: object) -> None:
        """Take one line; raises ValueError, KeyError or TypeError if it is not one of a journal."""
        if not isinstance(event, dict):
            raise TypeError(event)
        item = _name(event["item"])
        if "kind" not in event:
            return self._add_old(item, event)
        key = item, _text(event["kind"])
        attempts = self.attempts.setdefault(key, {})
        if event["event"] == "start":
            attempt = _start(event)
            attempts.pop(attempt.mark, None)
            attempts[attempt.mark] = attempt
            return None
        latest = list(attempts.values())[-1] if attempts else None
        if latest is None:
            raise ValueError("not begun")
        if event["event"] == "part":
            latest.parts[_number(event["part"])] = _files(event["files"])
        elif event["event"] == "move":
            latest.moving = True
            _end(latest, event)
        elif event["event"] == "end":
            latest.ended, latest.moving = True, False
            if latest.staged:
                latest.staged, latest.parts = False, {}
            _end(latest, event)
            self.attempts[key] = {latest.mark: latest}
        else:
            raise ValueError(event["event"])
        return None

    def settle(self) -> None:
        """Take what was said in the format without kinds: nothing more will be."""
        for item, record in self._old.items():
            for kind, attempt in _split_old(item, record).items():
                self.attempts.setdefault((item, kind), {}).setdefault(attempt.mark, attempt)
        self._old = {}

    def merge(self, other: Ledger) -> None:
        """Take what another journal says; of two starts the later turn counts, and an end ends all before it."""
        for key, theirs in other.attempts.items():
            together = dict(self.attempts.get(key, {}))
            for mark, attempt in theirs.items():
                if mark not in together or together[mark].turn < attempt.turn:
                    together[mark] = attempt
            ended = max((attempt.turn for attempt in together.values() if attempt.ended), default=-1)
            ordered = sorted(together.items(), key=lambda pair: pair[1].turn)
            self.attempts[key] = {mark: attempt for mark, attempt in ordered if attempt.turn >= ended}

    def _add_old(self, item: str, event: dict[object, object]) -> None:
        if event["event"] == "start":
            attempt = _start(event | {"staged": False})
            # Named, so that a record that cannot be split later is noticed at its line.
            _split_old(item, attempt)
            self._old[item] = attempt
        elif event["event"] == "part":
            self._old[item].parts[_number(event["part"])] = _files(event["files"])
        elif event["event"] == "end":
            self._old[item].ended = True
            _end(self._old[item], event)
        else:
            raise ValueError(event["event"])


def _split_old(item: str, record: Attempt) -> dict[str, Attempt]:
    # The format without kinds had one record for all outputs of an item.
    outputs, estimator = _settings(record.settings["outputs"]), _settings(record.settings["estimator"])
    wanted = BatchSettings(
        *(None if outputs[key] is None else _text(outputs[key]) for key in _SUFFIXES),
        backward=bool(outputs["backward"]),
        occlusion=bool(outputs["occlusion"]),
    )
    found: dict[str, Attempt] = {}
    for output in wanted.arrange(Path(), item, is_pair=len(record.origin) == 2).outputs:
        place = output.destination
        if place.is_video and not record.ended:
            # Its segments are called otherwise today.
            continue

        def own(files: Files, place: PurePosixPath = PurePosixPath(place.path), suffix: str = place.suffix) -> Files:
            return {
                path: mark
                for path, mark in files.items()
                if PurePosixPath(path) == place or (PurePosixPath(path).parent == place and path.endswith(suffix))
            }

        found[output.kind] = replace(
            record,
            settings={"estimator": estimator, "outputs": choose_settings(output, outputs)},
            parts={part: own(files) for part, files in record.parts.items()},
            final=own(record.final),
            scale=record.scale if output.is_drawn else None,
        )
    return found


_SUFFIXES = ("flow_suffix", "pair_flow_suffix", "picture_suffix")


def _start(event: dict) -> Attempt:
    origin, pairs, scale = event["origin"], event["pairs"], event["scale"]
    if not isinstance(origin, list) or not 1 <= len(origin) <= 2:
        raise TypeError(origin)
    if scale is not None and not (isinstance(scale, int | float) and 0 < scale <= sys.float_info.max):
        raise TypeError(scale)
    return Attempt(
        [_encodable(_text(one)) for one in origin],
        _text(event["fingerprint"]),
        _settings(event["settings"]),
        None if pairs is None else _number(pairs),
        None if scale is None else float(scale),
        staged=bool(event["staged"]),
        turn=_number(event["turn"]),
    )


def _end(attempt: Attempt, event: dict) -> None:
    attempt.pairs, attempt.final = _number(event["pairs"]), _files(event["files"])
    attempt.fault = None if event["fault"] is None else _text(event["fault"])


def _files(value: object) -> Files:
    if not isinstance(value, dict):
        raise TypeError(value)
    found: Files = {}
    for path, mark in value.items():
        # The format without kinds had the size alone.
        size, changed = mark if isinstance(mark, list) else (mark, None)
        found[_name(path)] = FileMark(_number(size), None if changed is None else _number(changed))
    return found


def _name(value: object) -> str:
    # Files are replaced and removed by these paths: none may lead out of the output folder.
    path = PurePosixPath(_encodable(_text(value)))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(value)
    return str(value)


def _encodable(text: str) -> str:
    os.fsencode(text)
    if "\0" in text:
        raise ValueError(text)
    return text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise TypeError(value)
    return value


def _settings(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value
