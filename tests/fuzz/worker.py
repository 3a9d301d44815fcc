"""One process that reads many inputs of a target and judges each.

The kernel is the watchdog: a timer of the process, set anew for each input, ends it when an input takes too long, also
inside C. Which input that was stands in the ledger, a mapped file that outlives the process.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import resource
import signal
import struct
import sys
import tempfile
import traceback
import unicodedata
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from flowcli.errors import FlowcliError
from fuzz.inputs import Input, make_input
from fuzz.target import Answer, Seed, Target, equals, size_of

MIB = 2**20
ALLOWANCE = 256 * MIB
"""Bytes that reading may take beyond what the frame itself needs."""
WAITING = 12
"""Seconds by the clock for each second of the processor's time: other processes may be at work, too."""
_LONGEST_MESSAGE = 1000
_NOT_A_NUMBER = -1


@dataclass(frozen=True)
class Limits:
    """What one input may take.

    Attributes:
        seconds: of processor time; a reader that sleeps gets WAITING times as many by the clock.
        memory: bytes of address space beyond what the process has at its start: guards the machine.
    """

    seconds: float = 10.0
    memory: int = 3 * 2**30


@dataclass(frozen=True)
class Verdict:
    """How an input ended.

    Attributes:
        kind: "accepted", "refused", "wrong", "foreign", "memory"; the campaign adds "crash" and "hang".
        detail: what happened, in one line.
        place: tells failures of different causes apart.
        noise: what the reader wrote to stderr by itself.
    """

    kind: str
    detail: str = ""
    place: str = ""
    noise: str = ""


class Ledger:
    """What a worker is at, for whoever asks after its end: the number of the input, and the counts so far."""

    _FIELDS = ("number", "accepted", "refused", "microseconds")

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(struct.pack("<4q", _NOT_A_NUMBER, 0, 0, 0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 32)

    def set(self, field: str, value: int) -> None:
        struct.pack_into("<q", self._map, 8 * self._FIELDS.index(field), value)

    def get(self, field: str) -> int:
        return struct.unpack_from("<q", self._map, 8 * self._FIELDS.index(field))[0]


def load_seeds(target: Target, folder: Path, *, large: bool = True) -> list[Seed]:
    """Return the seeds of a target, which the first worker makes and keeps for the others.

    Without `large`, those that are there only as they are, such as bombs, come without their bytes.
    """
    path, light = folder / f"{target.name}.seeds", folder / f"{target.name}.light"
    if not path.exists():
        seeds = list(target.make_seeds())
        _keep([seed if seed.mutable else replace(seed, data=b"") for seed in seeds], light)
        _keep(seeds, path)
    return pickle.loads((path if large else light).read_bytes())


def _keep(seeds: list[Seed], path: Path) -> None:
    own = path.with_name(f"{path.name}.{os.getpid()}")
    own.write_bytes(pickle.dumps(seeds))
    with suppress(FileExistsError):  # another worker was first; all go by what it made
        os.link(own, path)
    own.unlink()


def work(
    connection: Connection,
    target: Target,
    folder: Path,
    ledger_path: Path,
    campaign: int,
    numbers: range,
    limits: Limits,
) -> None:
    """Read the inputs of the given numbers; sends (number, Verdict) of each that is not as it should be, then None.

    An exception that is the harness's own fault is sent as text.
    """
    _end_with_parent()
    ledger = Ledger(ledger_path)
    try:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            seeds = load_seeds(target, folder, large=False)
            if min(numbers) < len(seeds):
                seeds = load_seeds(target, folder)
            judge = Judge(target, Path(own), limits)
            began = _processor_time()
            counts = {"accepted": 0, "refused": 0}
            for number in numbers:
                ledger.set("number", number)
                verdict = judge.judge(make_input(target, seeds, campaign, number))
                if verdict.kind in counts:
                    counts[verdict.kind] += 1
                    ledger.set(verdict.kind, counts[verdict.kind])
                if verdict.kind not in counts or verdict.noise:
                    connection.send((number, verdict))
                ledger.set("microseconds", int(1e6 * (_processor_time() - began)))
        connection.send(None)
    except Exception:
        connection.send(f"{target.name}, input {ledger.get('number')}:\n{traceback.format_exc()}")


def replay(connection: Connection, target: Target, folder: Path, data: bytes, limits: Limits) -> None:
    """Read one file; sends its Verdict."""
    _end_with_parent()
    with tempfile.TemporaryDirectory(dir=folder) as own:
        connection.send(Judge(target, Path(own), limits).judge(Input(data)))


def _end_with_parent() -> None:
    # PR_SET_PDEATHSIG of prctl(2): nobody is left behind, whatever happens to the campaign.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Judge:
    """Reads inputs of one target under limits; this process is not good for anything else afterwards."""

    def __init__(self, target: Target, folder: Path, limits: Limits) -> None:
        self._target, self._folder, self._limits = target, folder, limits
        if target.prepare is not None:
            target.prepare(folder)
        self._path = folder / f"fuzzed{target.suffix}"
        for number in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(number, signal.SIG_DFL)
        warnings.simplefilter("always")
        _limit_threads()
        self._voices = [_redirect(1, folder / "stdout"), _redirect(2, folder / "stderr")]
        space = _statm()[0] + limits.memory
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self._resident = _forget_peak()

    def judge(self, made: Input) -> Verdict:
        """Write the input to a file, have it read, and say how that ended."""
        path = self._path
        path.write_bytes(made.data)
        self._start_clock(self._limits.seconds)
        try:
            answer = self._target.read(path)
            error = None
        except BaseException as caught:
            answer, error = None, caught
        self._start_clock(0)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - self._resident
        # Removed and not written over: what a reader may have mapped must not change below it.
        path.unlink(missing_ok=True)
        stdout, stderr = map(_hear, self._voices)
        verdict = self._grown(answer, error, grown) or self._say(answer, error, made.seed)
        if stdout:
            verdict = Verdict("foreign", f"wrote to stdout, where results go: {stdout:.200}", "stdout")
        if grown > ALLOWANCE // 4:
            del answer, error
            self._resident = _forget_peak()
        return Verdict(verdict.kind, verdict.detail, verdict.place, stderr)

    def _start_clock(self, seconds: float) -> None:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, seconds * WAITING)

    def _grown(self, answer: Answer, error: BaseException | None, grown: int) -> Verdict | None:
        if isinstance(error, MemoryError):
            return Verdict("memory", "MemoryError: more than the process may have", _innermost(error.__traceback__))
        needed = self._target.largest if error else int(size_of(answer) * self._target.needed)
        allowed = ALLOWANCE + needed
        if grown <= allowed:
            return None
        what = "accepted" if error is None else f"refused: {_one_line(error)}"
        return Verdict("memory", f"{grown // MIB} MiB, allowed are {allowed // MIB}; {what}", "peak")

    def _say(self, answer: Answer, error: BaseException | None, seed: Seed | None) -> Verdict:
        if error is None:
            if seed is not None and seed.answer is not None and not equals(answer, seed.answer, seed.tolerance):
                return Verdict("wrong", f"seed '{seed.name}' is read, but to something else", seed.name)
            return Verdict("accepted")
        if not isinstance(error, FlowcliError):
            place = _innermost(error.__traceback__)
            return Verdict("foreign", f"{type(error).__name__} at {place}: {_one_line(error)}", place)
        if seed is not None and seed.readable:
            return Verdict("wrong", f"seed '{seed.name}' is refused: {_one_line(error)}", seed.name)
        if fault := self._fault(str(error)):
            place = f"{fault}, {_innermost(error.__traceback__)}"
            return Verdict("foreign", f"{type(error).__name__} {place}: {_one_line(error)}", place)
        return Verdict("refused")

    def _fault(self, message: str) -> str:
        # What is wrong with a message to the user. Sources name a video by its stem, lists the files that they list.
        if self._path.stem not in message and str(self._folder) not in message:
            return "does not name the file"
        if not all(c.isprintable() or unicodedata.category(c) == "Zs" for c in message):
            return "of several lines or with control characters"
        return "longer than ten lines" if len(message) > _LONGEST_MESSAGE else ""


def _one_line(error: BaseException) -> str:
    try:
        return repr(str(error))[1:-1][:300]
    except Exception as another:
        return f"no message: {type(another).__name__}"


def _innermost(trace: TracebackType | None) -> str:
    # The last lines of our own code and of any code.
    places: list[str] = []
    own = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno}")
        if "flowcli" in Path(code.co_filename).parts:
            own = places[-1]
        trace = trace.tb_next
    last = places[-1] if places else "?"
    return last if own in ("", last) else f"{own} > {last}"


def _processor_time() -> float:
    # Seconds, those of child processes included: some readers have one.
    return sum(time.ru_utime + time.ru_stime for time in map(resource.getrusage, _WHO))


_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def _limit_threads() -> None:
    # One processor for each worker. Whatever is not imported is not used by the target.
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _redirect(number: int, path: Path) -> int:
    # Whatever is written to stdout or stderr, also by C, is seen.
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND)
    os.dup2(file, number)
    stream = open(number, "w", buffering=1, closefd=False)  # noqa: SIM115
    if number == 1:
        sys.stdout = stream
    else:
        sys.stderr = stream
    return file


def _hear(file: int) -> str:
    size = os.fstat(file).st_size
    if size == 0:
        return ""
    text = os.pread(file, 500, 0).decode("utf-8", "replace")
    os.ftruncate(file, 0)
    return repr(text)[1:-1]


def _statm() -> Sequence[int]:
    # proc(5): address space and resident set in bytes.
    size = resource.getpagesize()
    return [int(pages) * size for pages in Path("/proc/self/statm").read_text().split()[:2]]


def _forget_peak() -> int:
    # proc(5), /proc/pid/clear_refs: 5 sets the peak resident set to the present one, which is returned.
    Path("/proc/self/clear_refs").write_text("5")
    return _statm()[1]
