"""One stage of a pipeline in a thread of its own: decoding, the network and encoding run at the same time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")

# How long a thread waits at a queue before it looks whether it should stop, in seconds.
_LOOK_AFTER = 0.05


class _Stopped(BaseException):
    """Unwinds a stage whose consumer has gone; never leaves this module."""


class _End:
    """What follows the last item: the exception that ended the stage, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Stage(threading.local):
    """The stop signal of the stage that runs in the current thread; never set in the main thread."""

    def __init__(self) -> None:
        self.stopped = threading.Event()


_current = _Stage()


class _Channel(Generic[Item]):
    """A bounded queue whose ends give up when their own stage is stopped."""

    def __init__(self, depth: int) -> None:
        self._queue: queue.Queue[Item | _End] = queue.Queue(maxsize=depth)

    def put(self, item: Item | _End) -> None:
        while not _current.stopped.is_set():
            try:
                return self._queue.put(item, timeout=_LOOK_AFTER)
            except queue.Full:
                continue
        raise _Stopped

    def get(self) -> Item | _End:
        while not _current.stopped.is_set():
            try:
                return self._queue.get(timeout=_LOOK_AFTER)
            except queue.Empty:
                continue
        raise _Stopped


def in_background(items: Iterable[Item], depth: int, patience: float | None = None) -> Generator[Item, None, None]:
    """Yield `items` in order while a thread fetches the next ones, at most `depth` ahead.

    An exception of `items` is raised here, after the items before it. When the consumer stops early (an exception,
    `close()`, a collected generator), the threads of this stage and of those that feed it end after the item they are
    at.

    Args:
        items: what to fetch; may itself be a stage.
        depth: size of the queue, in items; 0: no thread, each item is fetched when it is asked for.
        patience: seconds to wait for the thread at an early stop, None for as long as its item takes. A read from a
            pipe can block for ever and must not be waited for.
    """
    if depth == 0:
        yield from _in_turn(items)
        return
    channel: _Channel[Item] = _Channel(depth)
    stopped = threading.Event()

    def fetch() -> None:
        _current.stopped = stopped
        error: BaseException | None = None
        try:
            try:
                for item in items:
                    channel.put(item)
            finally:
                # A generator must be closed by the thread that ran it; this also ends the stage before.
                close = getattr(items, "close", None)
                if close is not None:
                    close()
        except _Stopped:
            return
        except BaseException as raised:  # handed over to the consumer, who raises it
            error = raised
        with suppress(_Stopped):
            channel.put(_End(error))

    thread = threading.Thread(target=fetch, name="flowcli-stage", daemon=True)
    thread.start()
    try:
        while not isinstance(item := channel.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join(patience)


def _in_turn(items: Iterable[Item]) -> Generator[Item, None, None]:
    try:
        # Nothing here may hold an item while the next one is made.
        yield from iter(items)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
