"""Work on a CPU side by side, one item per thread, in order.

Torch can also split each operation over the threads, and meets at a barrier after it. The operations of a network that
works on small tiles take some 50 microseconds: on two cores the barriers double the processor time, and a neighbour on
one core holds up both. Whole batches side by side meet once per batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

# More threads than that wait for each other in the interpreter.
MOST_WORKERS = 8


def count_threads(wanted: int | None = None) -> int:
    """Return the number of CPU threads to use: `wanted`, or torch's choice."""
    return wanted or torch.get_num_threads()


class Workers:
    """A fixed number of threads that share torch's.

    Args:
        threads: CPU threads in all; as many work side by side, MOST_WORKERS at most, each with its share of them. With
            1 everything runs in the caller's thread, as a single item does.

    Attributes:
        count: for how many the work is cut up.
        most: how many of them work at the same time, where memory is short. The results are the same to the bit.
    """

    def __init__(self, threads: int) -> None:
        self.threads = max(1, threads)
        self.most = self.count = min(self.threads, MOST_WORKERS)
        self._pool: ThreadPoolExecutor | None = None

    def limit(self, most: int | None) -> None:
        """Let at most so many work at the same time; None: all."""
        most = self.count if most is None else max(1, min(most, self.count))
        if most != self.most:
            self.close()
            self.most = most

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Apply `function` to each item: results in order, at most two unfinished items per thread ahead of them."""
        items = iter(items)
        ahead = list(islice(items, 2))
        if self.count == 1 or len(ahead) == 1:
            yield from map(function, chain(ahead, items))
            return
        if self._pool is None:
            self._pool = self._start()
        pending: deque[Future[Result]] = deque()
        try:
            for item in chain(ahead, items):
                pending.append(self._pool.submit(_without_gradients, function, item))
                if len(pending) == 2 * self.most:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:  # after an error, or when the caller stops
                future.cancel()

    def do(self, function: Callable[[Item], None], items: Iterable[Item]) -> None:
        """Apply `function`, which leaves its result where it belongs, to each item."""
        deque(self.map(function, items), maxlen=0)

    def close(self) -> None:
        """End the threads; the next call starts new ones."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _start(self) -> ThreadPoolExecutor:
        def prepare() -> None:
            torch.set_num_threads(max(1, self.threads // self.count))
            # A flag of each thread's processor; see `runtime.process`.
            torch.set_flush_denormal(True)

        return ThreadPoolExecutor(self.most, thread_name_prefix="flowcli", initializer=prepare)


def _without_gradients(function: Callable[[Item], Result], item: Item) -> Result:
    # Threads do not inherit inference mode.
    with torch.inference_mode():
        return function(item)
