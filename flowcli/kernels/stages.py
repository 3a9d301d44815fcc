"""The attentions of a folded network, run by the compiled kernels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowcli.kernels.library import AttendArguments, DecodeArguments, EncodeArguments, Library
from flowcli.kernels.panels import choose_rows, cut_panels
from flowcli.model.folded import FoldedFlow
from flowcli.model.folded.decoder import FoldedDecoder
from flowcli.model.folded.encoder import FoldedEncoder
from flowcli.model.folded.layers import FoldedSelfBlock
from flowcli.model.folded.pixels import Pixels
from flowcli.model.folded.products import LOG2_E


class CompiledAttend:
    """Multi-head self-attention, from queries, keys and values to what each head gathers."""

    def __init__(self, library: Library, operands: torch.dtype) -> None:
        self.library, self.operands = library, operands

    def __call__(self, inner: Tensor, heads: int) -> Tensor:
        """Map float32 or bfloat16 `(B, N, 3 * heads * channels)` to float32 `(B, N, heads * channels)`."""
        batch, latents, width = inner.shape
        inner, channels = inner.float().contiguous(), width // (3 * heads)
        out = inner.new_empty(batch, latents, width // 3)
        arguments = AttendArguments(
            inner=inner,
            out=out,
            scale=LOG2_E / math.sqrt(channels),
            heads=heads,
            latents=latents,
            channels=channels,
            key_rows=choose_rows(latents, self.library.rows),
            value_rows=choose_rows(channels, self.library.rows),
        )
        self.library.run(arguments, self.operands, batch * heads * self.library.blocks(latents))
        return out


class CompiledEncoder(nn.Module):
    """`FoldedEncoder`: the latents of a checkpoint read from pixels."""

    features: Tensor
    rows: Tensor
    columns: Tensor
    output: Tensor
    start: Tensor

    def __init__(self, plain: FoldedEncoder, library: Library) -> None:
        super().__init__()
        self.library, self.operands = library, plain.operands
        block = 2 * library.lanes
        padding = (0, -len(plain.features) % block)
        self.register_buffer("features", _pad(plain.features.float().T, padding), persistent=False)  # (features, N)
        self.register_buffer("rows", _pad(plain.rows[:, :, 0].T, padding), persistent=False)  # (H, N)
        columns = _pad(plain.columns[:, 0].T, padding).unflatten(1, (-1, block)).transpose(0, 1)
        self.register_buffer("columns", columns.contiguous(), persistent=False)  # (N / block, W, block)
        self.register_buffer("output", plain.output, persistent=False)
        self.register_buffer("start", plain.start, persistent=False)

    def forward(self, pixels: Pixels, chunk: int) -> Tensor:
        """Read B tiles: `(B, N, D)`, the query residual included, the feed-forward not."""
        batch, _, height, width = pixels.channels.shape
        latents = len(self.start)
        gathered = pixels.channels.new_empty(batch, latents, self.output.shape[1])
        arguments = EncodeArguments(
            features=self.features,
            rows=self.rows,
            columns=self.columns,
            channels=pixels.channels.contiguous(),
            inverse=pixels.inverse.contiguous(),
            logarithm=pixels.inverse.log2().contiguous(),
            out=gathered,
            latents=latents,
            latent_step=self.features.shape[1],
            feature_count=len(self.features),
            height=height,
            width=width,
            pixel_rows=choose_rows(width, self.library.rows),
            channel_rows=choose_rows(pixels.channels.shape[1], self.library.rows),
        )
        # One share per thread: each packs the whole tile for itself.
        self.library.run(arguments, self.operands, batch * self.library.blocks(latents), shares=1)
        return F.linear(gathered, self.output).add_(self.start)


class CompiledDecoder(nn.Module):
    """`FoldedDecoder`: the flow of every pixel, from the latents."""

    first: Tensor
    first_bias: Tensor
    second: Tensor
    second_bias: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, plain: FoldedDecoder, library: Library) -> None:
        super().__init__()
        self.plain, self.library, self.operands = plain, library, plain.operands
        first = cut_panels(plain.first[:-1].float(), library.rows, plain.operands)  # without the row for the mean
        self.first_rows = first.rows
        self.padding = (0, library.pad(plain.tile[1]) - plain.tile[1])
        self.register_buffer("first", first.data, persistent=False)
        self.register_buffer("first_bias", plain.first_bias[:, 0].contiguous(), persistent=False)
        self.register_buffer("second", plain.second.float().contiguous(), persistent=False)
        self.register_buffer("second_bias", plain.second_bias[:, 0].contiguous(), persistent=False)
        self.register_buffer("rows", plain.rows[:, :, 0].contiguous(), persistent=False)  # (R, H)
        self.register_buffer("columns", _pad(plain.columns[:, 0], self.padding), persistent=False)  # (S, W)

    def forward(self, pixels: Pixels, latents: Tensor, chunk: int) -> Tensor:
        """Turn B tiles and their latents `(B, N, D)` into float32 flow `(B, 2, H, W)` in pixels."""
        batch, step, height, width = pixels.channels.shape
        keys, values = self.plain.project(latents)
        forms = cut_panels(keys.features, self.library.rows, self.operands)
        gathered = cut_panels(values[:, :-1], self.library.rows, self.operands)  # the kernel sums the weights itself
        flow = latents.new_empty(batch, 2, height, width)
        arguments = DecodeArguments(
            features=pixels.channels.contiguous(),
            inverse=pixels.inverse.contiguous(),
            keys=forms.data,
            key_rows=keys.rows.transpose(1, 2).contiguous(),
            key_columns=_pad(keys.columns, self.padding),
            key_constants=keys.constant.contiguous(),
            values=gathered.data,
            first=self.first,
            first_bias=self.first_bias,
            second=self.second,
            second_bias=self.second_bias,
            rows=self.rows,
            columns=self.columns,
            flow=flow,
            epsilon=self.plain.epsilon,
            feature_step=step,
            feature_count=self.plain.features,
            row_channels=len(self.rows),
            column_channels=len(self.columns),
            latents=latents.shape[1],
            height=height,
            width=width,
            column_step=self.columns.shape[1],
            residual=int(self.plain.residual),
            exact_gelu=int(self.plain.gelu == "erf"),
            key_panel_rows=forms.rows,
            value_panel_rows=gathered.rows,
            first_panel_rows=self.first_rows,
        )
        self.library.run(arguments, self.operands, batch * height)
        return flow


def use_kernels(network: FoldedFlow, library: Library) -> FoldedFlow:
    """Let the kernels run the attentions of a folded network on the CPU; changes and returns it.

    Raises:
        ValueError: if it was folded for operands that the library does not know.
    """
    encoder, decoder = network.encoder, network.decoder
    assert isinstance(encoder, FoldedEncoder) and isinstance(decoder, FoldedDecoder)
    if encoder.operands not in library.operands:
        raise ValueError(
            f"expected operands of {library.operands} for kernels of {library.level}, got {encoder.operands}"
        )
    network.encoder, network.decoder = CompiledEncoder(encoder, library), CompiledDecoder(decoder, library)
    for layer in network.layers:
        assert isinstance(layer, FoldedSelfBlock)
        layer.attention.gather = CompiledAttend(library, encoder.operands)
    return network


def _pad(x: Tensor, padding: tuple[int, int]) -> Tensor:
    return F.pad(x, padding).contiguous()
