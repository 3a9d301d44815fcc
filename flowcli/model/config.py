"""The network's shape as plain numbers, and the three presets.

A `ModelConfig` travels inside every checkpoint that flowcli writes, so a reader needs no side file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Literal

PATCH_VALUES = 54
"""Values per pixel: a 3x3 neighbourhood, 3 colours, 2 frames."""

# What a configuration may ask for: it may come from a stranger's file. The published network has sizes of up to 2048,
# 24 layers and 188 MB of positions; products of such sizes and their bytes stay within 64 bits.
MAX_SIZE = 2**20
MAX_LAYERS = 1024
MAX_TILE_PIXELS = 2**20
MAX_POSITION_BYTES = 2**28


@dataclass(frozen=True)
class ModelConfig:
    """Everything that shapes `PerceiverFlow`; round-trips through JSON.

    Attributes:
        tile: (height, width) in pixels that the network sees at once.
        features: channels of one pixel beside its position.
        position_bands: Fourier bands per axis; a position has 2 + 4 x bands channels.
        position_nyquist: highest frequency of a position as a share of the tile's Nyquist frequency; 1 as published.
        latents: rows of the latent array.
        latent_width: channels of the latent array.
        layers: latent self-attention layers.
        heads: heads of each self-attention layer; the two cross-attentions have one.
        decoder_width: channels of the decoder's queries, keys and values; None: latent_width, as published.
        gelu: "tanh" is how DeepMind trained, "erf" is what every PyTorch port computes.
        pixel_network: how 54 patch values become features. "linear" is as published; "gated" whitens the values and
            adds products of two linear maps (motion needs products of temporal and spatial differences).
        pixel_width: products per pixel of the "gated" pixel network; 0 for "linear".
        query_residual: the decoder adds its query to what attention brings.
        flow_scale: pixels of flow per unit of the network's last layer.
        residual: the flow is what is left after frame 2 was warped (coarse to fine), not the whole motion.
        candidates: flows among which the network chooses beside adding a residual: the coarse network of
            `model/coarse.py`, for whole frames of any size; `tile` is then the frame whose Nyquist frequency bounds the
            positions. 0 for the others.
        evidence: further values of a pixel beside the 54 of its patch; 0 without candidates.
        stride: pixels per token and axis; 1 without candidates.
    """

    tile: tuple[int, int]
    features: int
    position_bands: int
    latents: int
    latent_width: int
    layers: int
    heads: int
    position_nyquist: float = 1.0
    decoder_width: int | None = None
    gelu: Literal["tanh", "erf"] = "tanh"
    pixel_network: Literal["linear", "gated"] = "linear"
    pixel_width: int = 0
    query_residual: bool = False
    flow_scale: float = 1.0
    residual: bool = False
    candidates: int = 0
    evidence: int = 0
    stride: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "tile", tuple(self.tile))  # JSON gives a list
        sizes = (*self.tile, self.features, self.position_bands, self.latents, self.latent_width, self.heads)
        optional = (self.layers, self.pixel_width, 0 if self.decoder_width is None else self.decoder_width)
        optional += (self.candidates, self.evidence, self.stride - 1)
        if len(self.tile) != 2 or any(type(size) is not int or size < 1 for size in sizes):
            raise ValueError(f"expected positive whole numbers for the sizes of the network, got {self}")
        if any(type(size) is not int or size < 0 for size in optional):
            raise ValueError(f"expected whole numbers for layers, pixel_width and decoder_width, got {self}")
        if max(*sizes, *optional) > MAX_SIZE or self.layers > MAX_LAYERS:
            raise ValueError(
                f"expected sizes of at most {MAX_SIZE} and {MAX_LAYERS} layers, got {max(sizes + optional)} and "
                f"{self.layers} layers"
            )
        pixels = self.tile[0] * self.tile[1]
        if pixels > MAX_TILE_PIXELS or pixels * self.position_width * 4 > MAX_POSITION_BYTES:
            raise ValueError(
                f"expected tiles of at most {MAX_TILE_PIXELS} pixels and {MAX_POSITION_BYTES >> 20} MiB of positions, "
                f"got {self.tile[0]}x{self.tile[1]} pixels with {self.position_bands} bands"
            )
        if type(self.query_residual) is not bool or type(self.residual) is not bool:
            raise ValueError(f"expected true or false for query_residual and residual, got {self}")
        if not _is_number(self.flow_scale) or not 0 < self.flow_scale < 1e9:
            raise ValueError(f"expected a positive flow_scale, got {self.flow_scale!r}")
        if self.latent_width % self.heads:
            raise ValueError(f"expected latent_width divisible by heads, got {self.latent_width} and {self.heads}")
        nyquist = self.position_nyquist
        if (
            (self.decoder_width is not None and self.decoder_width < 1)
            or not _is_number(nyquist)
            or not 0 < nyquist <= 1
        ):
            raise ValueError(f"expected decoder_width >= 1 and position_nyquist in (0, 1], got {self}")
        if self.gelu not in ("tanh", "erf"):
            raise ValueError(f"expected gelu 'tanh' or 'erf', got {self.gelu!r}")
        if self.pixel_network not in ("linear", "gated") or (self.pixel_network == "gated") != (self.pixel_width > 0):
            raise ValueError(f"expected 'linear', or 'gated' with a pixel_width, got {self.pixel_network!r}")
        if (self.candidates == 0) != (self.evidence == 0) or (self.candidates == 0 and self.stride != 1):
            raise ValueError(f"expected candidates and evidence together, and a stride with them alone, got {self}")
        if self.candidates and (self.pixel_network != "gated" or self.residual):
            raise ValueError(f"expected a gated pixel network and no residual with candidates, got {self}")

    @property
    def position_width(self) -> int:
        """Channels of a Fourier position: y, x and a sine and a cosine per band and axis."""
        return 2 + 4 * self.position_bands

    @property
    def pixel_channels(self) -> int:
        """Channels of one pixel, as encoder input and as decoder query."""
        return self.features + self.position_width

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> ModelConfig:
        """Rebuild from `to_dict`; ValueError on an unknown or missing field, or a value that makes no network."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise ValueError(f"unknown network setting {unknown[0]!r}")
        try:
            return cls(**values)  # type: ignore[arg-type]  # __post_init__ checks the values
        except TypeError as error:
            raise ValueError(f"incomplete network settings: {error}") from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# Perceiver IO, section 4.3 and its supplement; the published checkpoint: 41 057 134 parameters.
# The rescale factor 100 and the flow factor 20 of the published code together give 0.2 px per unit.
PERCEIVER_IO = ModelConfig(
    tile=(368, 496),
    features=64,
    position_bands=64,
    latents=2048,
    latent_width=512,
    layers=24,
    heads=16,
    flow_scale=20 / 100,
)

# The embedded default: the same network, small, made to be trained in hours (see weights/README.md).
COMPACT = ModelConfig(
    tile=(48, 64),
    features=46,
    position_bands=12,
    latents=96,
    latent_width=192,
    layers=4,
    heads=8,
    position_nyquist=0.5,
    decoder_width=96,
    pixel_network="gated",
    pixel_width=96,
    query_residual=True,
    residual=True,
)

# The start of an estimate: chooses among flows of the whole frame at the matched level (coarse_to_fine/candidates.py).
COARSE = ModelConfig(
    tile=(60, 80),
    features=56,
    position_bands=10,
    latents=128,
    latent_width=192,
    layers=6,
    heads=8,
    decoder_width=96,
    pixel_network="gated",
    pixel_width=112,
    query_residual=True,
    flow_scale=4.0,
    candidates=3,
    evidence=19,
    stride=2,
)

# For tests: milliseconds on one core.
TINY = ModelConfig(
    tile=(12, 16), features=8, position_bands=3, latents=6, latent_width=16, layers=2, heads=4, flow_scale=0.2
)
