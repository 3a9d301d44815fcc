"""What an estimate wants of the whole process. Building an Estimator changes none of it: a program decides itself."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from flowcli.runtime.memory import keep_freed_memory, spare_memory


def configure_process(threads: int | None = None, *, spare: bool = False) -> None:
    """Set this process up for estimating flow, as the command line does; call it once, before the first estimate.

    Freed memory is kept for the next arrays (`runtime.memory`), and values too small for normal arithmetic become 0:
    they cost a hundred times more and mean nothing here. Threads that wait for each other should sleep as well; set
    OMP_WAIT_POLICY=PASSIVE in the environment before torch is loaded, later it is not read.

    Args:
        threads: CPU threads of torch and OpenCV; None: their own choice.
        spare: there is a ceiling to the memory of this process: give back what is free instead.
    """
    if spare:
        spare_memory()
    else:
        keep_freed_memory()
    import cv2
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
    torch.set_flush_denormal(True)


@contextmanager
def keep_what_is_loaded() -> Iterator[None]:
    """Import libraries and build an estimator inside: what is there at the end stays until the process ends.

    Importing torch makes some 160 000 objects, hardly any of them garbage. Python's collector walked through them again
    and again while they came, and several times when the process ended: a good part of an estimate of small frames
    (`flowcli bench --suite quick --part start`). It leaves them alone from here on, and is as before for all that comes
    later.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()
