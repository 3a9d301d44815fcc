"""How much memory the methods of several steps take for one pair on a CPU, in bytes.

What grows with the frames is counted from the arrays that live at the same time; what does not was measured, with room;
`flowcli bench --ceiling 1` does it again.
"""

from __future__ import annotations

from flowcli.coarse_to_fine.config import Config
from flowcli.methods.classical import DIS_BYTES
from flowcli.methods.initial_flow import KEPT_PIXELS, SEEN_PIXELS
from flowcli.runtime.ceiling import FLOW, FRAME, MIB, Footprint

Size = tuple[int, int]

STEPS = 64 * MIB
"""Of the coarsest levels and the coarse network, and the holes that they leave."""

HOLES, HOLES_OF_WORKER, HOLES_OF_PIXEL = 24 * MIB, 8 * MIB, 2
"""What of it stays when all is given back that can be: bytes, and bytes per thread and per pixel."""

WORKER = 52 * MIB
"""Of one thread: a strip of `runtime.strips` with all that is made of it, or a block of variational refinement."""


def of_coarse_to_fine(size: Size, both: bool, config: Config, initial: bool, workers: int, network: int) -> Footprint:
    """Return the footprint of the coarse-to-fine method.

    Args:
        size: (height, width) of the frames.
        both: whether both directions are estimated.
        config: the levels.
        initial: whether DIS makes an initial flow.
        workers: threads.
        network: bytes of the network in one of them.
    """
    pixels = _pixels(size)
    # Flow of both directions at the last level that has both, then of one at the finest.
    coarse = FLOW * (config.both**2 + min(1.0, config.finest) ** 2)
    given = 0.0
    alone = 0.0
    if initial:
        halved = pixels > SEEN_PIXELS
        given = 2 * FLOW / (4 if pixels > KEPT_PIXELS else 1)
        # One direction after the other.
        alone = (DIS_BYTES / 4 + 2 * FRAME / 4 if halved else DIS_BYTES) + coarse + given / 2
    planes = [
        given + coarse + FLOW + 6,  # fusion: the result, what is known of it, sums for inpainting
        2 * FLOW + 5,  # refinement: flow before and after, grey frames, edges
        (2 * FRAME + 2 * FLOW + 8) * config.finest**2 + FLOW * config.both**2,  # the finest level
        48 * config.both**2,  # both directions: frames in floating point, twice, flow before and after
        24.0,  # pyramids
    ]
    if not config.variational:
        # The network sees whole levels, in floating point.
        planes.append(80 * config.finest**2)
    # With the flow of the first direction; at the end both, once more in the layout of the result.
    shared = max(max(planes) + FLOW + given, 4 * FLOW) if both else max(planes)
    return Footprint(
        int((alone + HOLES_OF_PIXEL) * pixels) + HOLES,
        int(shared * pixels) + STEPS,
        max(WORKER, network),
        workers,
        HOLES_OF_WORKER,
    )


def of_tiles(size: Size, both: bool, workers: int, network: int) -> Footprint:
    """Return the footprint of a network at one scale.

    Args:
        size: (height, width) of the frames.
        both: whether both directions are estimated.
        workers: threads.
        network: bytes of the network in one of them.
    """
    # Padded frames, blended flow and its weights, the result.
    planes = 2 * FRAME + FLOW + 4 + FLOW + FLOW * both
    return Footprint(0, planes * _pixels(size) + STEPS, max(WORKER, network), workers)


def _pixels(size: Size) -> int:
    return size[0] * size[1]
