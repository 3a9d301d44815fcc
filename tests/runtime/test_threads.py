from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from flowcli.model.config import TINY
from flowcli.runtime.threads import MOST_WORKERS, Workers
from flowcli.runtime.tiles import TiledNetwork


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_order(count: int) -> None:
    assert list(Workers(count).map(lambda x: x * x, range(50))) == [x * x for x in range(50)]
    assert list(Workers(count).map(str, [])) == []


def test_items_run_side_by_side_but_not_far_ahead() -> None:
    both = threading.Barrier(2, timeout=10)
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(20):
            taken.append(item)
            yield item

    def meet(item: int) -> int:
        both.wait()  # breaks unless two items run at the same time
        return item

    results = Workers(2).map(meet, items())
    assert next(results) == 0
    assert len(taken) == 4
    assert list(results) == list(range(1, 20))


def test_threads_of_torch_are_shared_out() -> None:
    before = torch.get_num_threads()
    assert set(Workers(2).map(lambda _: torch.get_num_threads(), range(4))) == {max(1, before // 2)}
    assert torch.get_num_threads() == before
    assert Workers(0).count == 1
    assert Workers(1000).count == MOST_WORKERS


def test_an_error_reaches_the_caller() -> None:
    def divide(x: int) -> float:
        return 1 / x

    with pytest.raises(ZeroDivisionError):
        list(Workers(2).map(divide, [1, 2, 0, 4, 5, 6, 7]))


def test_tiles_side_by_side_blend_to_the_same_flow() -> None:
    frames = torch.rand(2, 3, 40, 50, generator=torch.Generator().manual_seed(0))

    def network(frame1: torch.Tensor, frame2: torch.Tensor) -> torch.Tensor:
        assert torch.is_inference_mode_enabled()
        return frame1[:, :2] + frame1.mean(dim=(1, 2, 3))[:, None, None, None]

    flows = [TiledNetwork(network, TINY, 4, 5, "even", 5, Workers(count))(frames, frames) for count in (1, 2)]
    assert torch.equal(flows[0], flows[1])


def test_a_limit_lets_fewer_work_at_once_and_changes_nothing_else() -> None:
    workers = Workers(3)
    busy, most = 0, 0
    lock = threading.Lock()

    def work(item: int) -> int:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        torch.ones(2**12).sum()
        with lock:
            busy -= 1
        return item

    workers.limit(1)
    assert list(workers.map(work, range(40))) == list(range(40))
    assert (most, workers.count) == (1, 3)
    workers.limit(None)
    assert workers.most == 3
    workers.limit(99)
    assert workers.most == 3
    workers.close()
