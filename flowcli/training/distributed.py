"""Training over several processes, one per GPU or CPU share, started by torchrun.

Data parallelism as in torch's DistributedDataParallel: every process holds the same weights, draws its own pairs, and
all step with the mean of their gradients. The wrapper itself hooks one `forward` and one `backward`; a step here calls
the network's halves and goes backward twice, so the gradients are averaged once, after both and before clipping. That
is the same mathematics; overlapping communication with computation, as the wrapper does, is worth nothing for a few MB.

What the processes tell each other besides (failures, the wish to stop, the state to begin with) goes through gloo, on
the CPU, so that a lost process is noticed there; gradients on GPUs go through nccl.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from flowcli.errors import EngineError, UsageError

# torch is imported where it is used: the command line reads the launch before it pays for torch.
if TYPE_CHECKING:
    import torch
    from torch import Tensor

Value = TypeVar("Value")

PATIENCE = timedelta(minutes=10)
"""The longest wait for another process; longer than any validation, save or texture bank takes."""


class PeerError(EngineError):
    """Another process of the run failed, and says why itself."""


@dataclass(frozen=True)
class Launch:
    """Place of this process among those that torchrun started.

    Attributes:
        rank: number of this process in the whole run, 0 to `count - 1`.
        count: processes of the whole run (torchrun's world size); 1 is an ordinary run.
        local_rank: number of this process on its machine.
        local_count: processes on this machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Launch:
        """Read torchrun's variables; without WORLD_SIZE the run has one process. Raises EngineError."""
        if "WORLD_SIZE" not in environment:
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        found = {name: environment.get(name, "") for name in names}
        if all(value.isdecimal() for value in found.values()):
            launch = cls(*(int(value) for value in found.values()))
            if launch.rank < launch.count and launch.local_rank < launch.local_count <= launch.count:
                return launch
        listed = " ".join(f"{name}={value}" for name, value in found.items())
        raise EngineError(
            f"expected the variables of torchrun, found {listed}; start with torchrun, or unset WORLD_SIZE"
        )


class Processes:
    """The processes of one run; every method but `device` must be called by all of them, in the same order.

    Alone (`Processes()`), nothing is sent and nothing imported.
    """

    def __init__(self, launch: Launch | None = None) -> None:
        self.launch = launch or Launch()
        self._gradients: Any = None  # the nccl group, made at the first gradients on a GPU

    @property
    def rank(self) -> int:
        """Number of this process; process 0 validates, logs and saves."""
        return self.launch.rank

    @property
    def count(self) -> int:
        """Number of processes."""
        return self.launch.count

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run the block in every process, each for itself; if it fails in one, it fails in all.

        The lowest process that failed raises its own error, as does every other whose error says something else; the
        rest raise PeerError. The block must not communicate.
        """
        if self.count == 1:
            yield
            return
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        if not self.any(failure is not None):
            return
        said = self._gather(None if failure is None else f"{type(failure).__name__}: {failure}")
        number, text = next((rank, text) for rank, text in enumerate(said) if text is not None)
        if failure is not None and (number == self.rank or said[self.rank] != text):
            raise failure
        raise PeerError(f"process {number} of {self.count} failed: {text}") from failure

    def any(self, wish: bool) -> bool:
        """Return True in every process if `wish` is True in one."""
        if self.count == 1:
            return wish
        import torch
        from torch import distributed

        votes = torch.tensor(int(wish))
        with _contact():
            distributed.all_reduce(votes)
        return bool(votes > 0)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor, of one dtype and device, by its mean over the processes; the same bits in all."""
        if self.count == 1:
            return
        import torch
        from torch import distributed

        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _contact():
            if flat.is_cuda and self._gradients is None:
                self._gradients = distributed.new_group(backend="nccl", timeout=PATIENCE)
            distributed.all_reduce(flat, group=self._gradients)
        flat /= self.count
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def broadcast(self, content: bytes) -> bytes:
        """Return what process 0 gave, in every process."""
        if self.count == 1:
            return content
        from torch import distributed

        box = [content if self.rank == 0 else b""]
        with _contact():
            distributed.broadcast_object_list(box, src=0)
        return box[0]

    def require_equal(self, settings: Mapping[str, object]) -> None:
        """Raise UsageError, in every process, unless all give the same: else some would wait for others for ever."""
        if self.count == 1:
            return
        found = self._gather(settings)
        with self.together():
            for rank, others in enumerate(found):
                for name, value in found[0].items():
                    if others[name] != value:
                        raise UsageError(
                            f"expected the same {name} in all processes, found {value} in process 0 and {others[name]} "
                            f"in process {rank}; give the same command on every machine"
                        )

    def device(self, chosen: torch.device) -> torch.device:
        """Return this process's own device of the chosen kind; EngineError when there are too few."""
        if self.count == 1 or chosen.type == "cpu":
            return chosen
        import torch

        if chosen.type != "cuda":
            raise EngineError(f"expected CUDA devices or the CPU for several processes, got {chosen}; use --device cpu")
        if chosen.index is not None:
            raise UsageError(f"expected --device cuda for several processes, each takes its own GPU, got {chosen}")
        found = torch.cuda.device_count()
        if found < self.launch.local_count:
            raise EngineError(
                f"expected a GPU for each of the {self.launch.local_count} processes on this machine, found {found}; "
                f"start torchrun with --nproc-per-node {max(1, found)}, or use --device cpu"
            )
        device = torch.device("cuda", self.launch.local_rank)
        torch.cuda.set_device(device)
        return device

    def _gather(self, value: Value) -> list[Value]:
        from torch import distributed

        values = [value] * self.count
        with _contact():
            distributed.all_gather_object(values, value)
        return values


@contextmanager
def join(launch: Launch) -> Iterator[Processes]:
    """Meet the other processes of the launch and leave them at the end; EngineError when they cannot be met."""
    if launch.count == 1:
        yield Processes()
        return
    from torch import distributed

    try:
        distributed.init_process_group("gloo", rank=launch.rank, world_size=launch.count, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"process {launch.rank} of {launch.count} met no others: {_first_sentence(error)}") from None
    try:
        yield Processes(launch)
        # Who leaves while another is still hearing the last answer can make torch abort that one. Whoever is gone
        # already is not waited for.
        with suppress(RuntimeError):
            distributed.barrier()
    finally:
        distributed.destroy_process_group()


@contextmanager
def _contact() -> Iterator[None]:
    """Turn the loss of a process, noticed while talking, into an EngineError."""
    try:
        yield
    except RuntimeError as error:  # every error of a process group is one
        raise EngineError(
            f"lost another process of the run ({_first_sentence(error)}); find out why it ended, go on with --resume"
        ) from None


def _first_sentence(error: Exception) -> str:
    """Return what gloo or nccl found, without the place in its source and its advice."""
    return re.sub(r"^\[\S+:\d+\] ", "", str(error).strip()).split("\n")[0].split(". ")[0]
