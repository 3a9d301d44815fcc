"""One scale: cut frames into overlapping tiles, run the network on batches of them, blend the flows.

Tiles are cut and blended one batch at a time, so memory beyond the frames themselves does not grow with their number.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from flowcli.errors import EngineError
from flowcli.model.config import ModelConfig
from flowcli.model.features import normalise
from flowcli.runtime.grid import Grid, TileGrid, blend_weights
from flowcli.runtime.threads import Workers

Network = Callable[[Tensor, Tensor], Tensor]
Window = tuple[int, int, int]
"""Index of the frame, row and column of a tile's first pixel."""


class TiledNetwork:
    """Runs a network that knows one tile size on frames of any size.

    Args:
        network: maps two float `(B, 3, *tile)` to float32 `(B, 2, *tile)`.
        config: the network's configuration.
        batch: tiles per call of the network.
        overlap: least overlap of tiles in pixels.
        grid: layout of the tiles.
        cap: largest blending weight; None: the published pyramid.
        workers: run batches side by side; None: one after the other.

    Attributes:
        finished: tiles estimated so far.
    """

    def __init__(
        self,
        network: Network,
        config: ModelConfig,
        batch: int,
        overlap: int,
        grid: Grid,
        cap: int | None,
        workers: Workers | None = None,
    ) -> None:
        self.network, self.tile, self.batch, self.overlap = network, config.tile, batch, overlap
        self.grid: Grid = grid
        self.weights = torch.from_numpy(blend_weights(config.tile, cap))
        self.workers = workers or Workers(1)
        self.finished = 0

    @torch.inference_mode()
    def __call__(self, frame1: Tensor, frame2: Tensor) -> Tensor:
        """Estimate the flow of a batch of frames.

        Args:
            frame1: `(B, 3, H, W)`, uint8 or float in [-1, 1].
            frame2: the same shape and type.

        Returns:
            float32 `(B, 2, H, W)` in pixels.
        """
        batch, _, height, width = frame1.shape
        grid = TileGrid((height, width), self.tile, self.overlap, self.grid)
        frame1, frame2 = (_pad(frame, grid.padded) for frame in (frame1, frame2))
        weights = self.weights.to(frame1.device)
        total = torch.zeros(batch, 2, *grid.padded, device=frame1.device)
        norm = torch.zeros(1, 1, *grid.padded, device=frame1.device)
        for row, column in grid.offsets:
            norm[..., row : row + self.tile[0], column : column + self.tile[1]] += weights
        windows = [(index, *offset) for index in range(batch) for offset in grid.offsets]

        def run(chosen: list[Window]) -> Tensor:
            tiles1, tiles2 = (torch.stack([self._cut(f, *w) for w in chosen]) for f in (frame1, frame2))
            if tiles1.dtype == torch.uint8:
                tiles1, tiles2 = normalise(tiles1), normalise(tiles2)
            return self._run(tiles1, tiles2) * weights

        # No more tiles at once than leave every worker its share.
        step = max(1, min(self.batch, math.ceil(len(windows) / self.workers.count)))
        batches = [windows[start : start + step] for start in range(0, len(windows), step)]
        for chosen, flow in zip(batches, self.workers.map(run, batches), strict=True):
            for part, window in zip(flow, chosen, strict=True):
                self._cut(total, *window).add_(part)
            self.finished += len(chosen)
        return total.div_(norm)[..., :height, :width]

    def _run(self, tiles1: Tensor, tiles2: Tensor) -> Tensor:
        """Run the network on a batch; where memory is short, on halves of it from now on."""
        count = len(tiles1)
        try:
            return self.network(tiles1, tiles2)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        if count == 1:
            raise EngineError(
                "expected memory for one tile, found too little; close other programs or use --device cpu"
            )
        half = math.ceil(count / 2)
        if self.batch > half:
            self.batch = half
            warnings.warn(f"out of memory with {count} tiles at once; going on with {half}", stacklevel=2)
        halves = zip(tiles1.split(half), tiles2.split(half), strict=True)
        return torch.cat([self._run(*tiles) for tiles in halves])

    def _cut(self, frames: Tensor, index: int, row: int, column: int) -> Tensor:
        return frames[index, :, row : row + self.tile[0], column : column + self.tile[1]]


def _is_out_of_memory(error: Exception) -> bool:
    # A CPU's allocator raises a plain RuntimeError, the compiled kernels a MemoryError.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


def _pad(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Repeat the last row and column until the frames have at least `size`."""
    for axis, length in zip((2, 3), size, strict=True):
        if frames.shape[axis] < length:
            nearest = torch.arange(length, device=frames.device).clamp_(max=frames.shape[axis] - 1)
            frames = frames.index_select(axis, nearest)
    return frames
