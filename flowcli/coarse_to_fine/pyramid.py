"""The frames of every level."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from flowcli.coarse_to_fine.photometric import to_brightness, to_grey
from flowcli.coarse_to_fine.resize import MARGIN, Size, halve_frames, resize_frames
from flowcli.coarse_to_fine.warp import warp
from flowcli.kernels.library import Library
from flowcli.runtime.device import has_host_form
from flowcli.runtime.threads import Workers


class Pyramid:
    """Frames at growing sizes, each made from the smallest half, quarter, ... that has at least twice its sides.

    So the many small levels do not each read the whole frame.

    Args:
        frames: `(B, 3, H, W)`, uint8 or float in [-1, 1].
        smallest: the first size that will be asked for.
    """

    def __init__(self, frames: Tensor, smallest: Size) -> None:
        self._sources = [frames]
        while True:
            height, width = self._sources[-1].shape[2:]
            half = (-(-height // 2), -(-width // 2))
            if half[0] < MARGIN * smallest[0] or half[1] < MARGIN * smallest[1]:
                return
            self._sources.append(halve_frames(self._sources[-1], half))

    def at(self, size: Size, eight_bit: bool = False) -> Tensor:
        """Return the frames at a size, not below the one before, `(B, 3, *size)`; see `resize_frames`."""
        while len(self._sources) > 1 and any(
            side < MARGIN * wanted for side, wanted in zip(self._sources[-1].shape[2:], size, strict=True)
        ):
            self._sources.pop()
        return resize_frames(self._sources[-1], size, eight_bit)


class Level:
    """The frames of one level, `(B, 3, H, W)`: float in [-1, 1], or, where no network is asked, uint8.

    Args:
        frame1: the frames from which the flow starts.
        frame2: those to which it leads.
        workers: threads for what is done with them; None: the caller's alone.
        kernels: compiled kernels for it; None: OpenCV and torch.
    """

    def __init__(
        self, frame1: Tensor, frame2: Tensor, workers: Workers | None = None, kernels: Library | None = None
    ) -> None:
        self.frame1, self.frame2, self.kernels = frame1, frame2, kernels
        self.workers = workers or Workers(1)

    def brightness(self, rows: slice) -> Tensor:
        """Return some rows of frame 1's brightness, float `(B, 1, rows, W)` in [-1, 1]."""
        return to_brightness(self.frame1[:, :, rows])

    def warped_brightness(self, flow: Tensor, rows: slice, fill: Tensor) -> tuple[Tensor, Tensor]:
        """Bring frame 2's brightness to some rows of frame 1, from which flow `(B, 2, rows, W)` starts; see `warp`."""
        if not has_host_form(flow.device):
            # To ask where the flow leads would wait for the device.
            return warp(to_brightness(self.frame2), flow, fill, (rows.start, 0))
        height = self.frame2.shape[2]
        # Only the rows that it leads to are turned into floating point.
        up, down = (
            int(bound) for bound in torch.stack(flow[:, 1].nan_to_num(0).aminmax()).clamp(-height, height).tolist()
        )
        first = min(max(rows.start + up - 1, 0), height - 1)
        last = max(min(rows.stop + down + 1, height), first + 1)
        return warp(to_brightness(self.frame2[:, :, first:last]), flow, fill, (rows.start - first, 0))

    @cached_property
    def greys(self) -> tuple[Tensor, Tensor]:
        """Both frames in grey, uint8 `(B, H, W)`."""
        return to_grey(self.frame1), to_grey(self.frame2)


def open_level(
    pyramids: Sequence[Pyramid],
    size: Size,
    eight_bit: bool,
    workers: Workers,
    both: bool = False,
    kernels: Library | None = None,
) -> Level:
    """Return one level of the pyramids of frame 1 and of frame 2.

    Args:
        pyramids: of frame 1 and of frame 2.
        size: of the level.
        eight_bit: return frames as uint8.
        workers: of the level.
        both: a batch of both directions: frames 1 and 2 in the first half, exchanged in the second.
        kernels: of the level.
    """
    frame1, frame2 = (pyramid.at(size, eight_bit) for pyramid in pyramids)
    if both:
        frame1, frame2 = torch.cat((frame1, frame2)), torch.cat((frame2, frame1))
    return Level(frame1, frame2, workers, kernels)
