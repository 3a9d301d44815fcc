from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from flowcli.training import camera
from flowcli.training.camera import add_noise, blur, change_light, expose, highlight, soft_shadow, vignette
from flowcli.training.jpeg import BLOCK, compress


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(batch: int = 4, side: int = 64) -> torch.Tensor:
    noise = torch.rand(batch, 3, side, side, generator=generator(3))
    return blur(noise, torch.full((batch,), 1.5))


def steps(frames: torch.Tensor, phase: int) -> tuple[float, float]:
    """Mean second difference across the borders of the blocks, and elsewhere, along rows."""
    bend = frames.diff(n=3, dim=3).abs().mean(dim=(0, 1, 2))  # sharpest at a step between columns i + 1 and i + 2
    at_border = (torch.arange(len(bend)) + 2 - phase) % BLOCK == 0
    return float(bend[at_border].mean()), float(bend[~at_border].mean())


@pytest.mark.parametrize("phase", [0, 3])
def test_compression_leaves_blocks_of_eight_pixels(phase: int) -> None:
    frames = picture()
    packed = compress(frames, torch.full((4,), 12.0), (phase, phase))
    border, inside = steps(packed, phase)
    before, elsewhere = steps(frames, phase)
    assert border > 1.5 * inside
    assert before < 1.2 * elsewhere


def test_compression_quantises_as_libjpeg_does() -> None:
    frames = picture(1)
    pixels = (frames[0].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
    full_colour = [cv2.IMWRITE_JPEG_QUALITY, 40, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], full_colour)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    theirs = decoded[..., ::-1].astype(float)
    clean = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    ours = (compress(clean, torch.tensor([40.0]), (0, 0)).clamp(0, 1)[0].permute(1, 2, 0) * 255).numpy()
    # Integer arithmetic in libjpeg tips some coefficients to the next step.
    assert np.abs(ours - theirs).mean() < 0.35 * np.abs(theirs - pixels).mean()
    assert abs(np.abs(ours - pixels).mean() / np.abs(theirs - pixels).mean() - 1) < 0.05


def test_compression_loses_less_at_higher_quality() -> None:
    frames = picture()
    errors = [(compress(frames, torch.full((4,), q), (0, 0)) - frames).abs().mean() for q in (10.0, 30.0, 60.0, 95.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02


def test_blur_acts_only_where_it_is_asked_for() -> None:
    noise = torch.rand(3, 3, 40, 40, generator=generator(1))
    result = blur(noise, torch.tensor([0.0, 0.6, 1.5]))
    assert torch.equal(result[0], noise[0])
    spread = result.flatten(1).std(1)
    assert spread[0] > 1.3 * spread[1] > 1.3 * spread[2]
    torch.testing.assert_close(result.mean((1, 2, 3)), noise.mean((1, 2, 3)), atol=0.01, rtol=0)


def test_highlight_shadow_and_vignette_are_smooth_and_sometimes_there() -> None:
    axis = torch.linspace(-1, 1, 40)
    lights = (
        vignette(generator(1), 200, axis, axis[:, None]),
        soft_shadow(generator(2), 200, axis, axis[:, None], 0.3),
        1 + highlight(generator(3), 200, axis, axis[:, None]),
    )
    for light in lights:
        assert light.shape == (200, 1, 40, 40)
        there = (light != 1).flatten(1).any(1)
        assert 0.03 < there.float().mean() < 0.4
        assert light.min() > 0.2
    assert (lights[0] <= 1).all()
    assert (lights[1] <= 1).all()
    assert (lights[2] >= 1).all()


def test_light_that_stays_in_the_picture_is_the_same_in_both_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "CHANGING_SHADOW", 0.0)
    for name in ("HIGHLIGHT", "VIGNETTE", "STATIC_SHADOW"):
        monkeypatch.setattr(camera, name, 1.0)
    even = torch.full((40, 3, 24, 32), 0.5), torch.full((40, 3, 40, 48), 0.5)
    frame1, frame2 = change_light(generator(5), *even)
    window = frame2[:, :, 8:-8, 8:-8]
    # Gain and bias are constant over a frame, so the frames are linearly dependent.
    a, b = ((f - f.mean((2, 3), keepdim=True)).flatten(2) for f in (frame1, window))
    correlation = (a * b).sum(2) / (a.norm(dim=2) * b.norm(dim=2))
    assert correlation.min() > 0.99


def test_down_sampled_pairs_have_little_noise() -> None:
    flat = torch.full((64, 3, 24, 32), 0.5)
    spreads = [
        add_noise(generator(2), flat, flat, torch.full((64, 1, 1, 1), full))[0].flatten(1).std(1).mean()
        for full in (True, False)
    ]
    assert spreads[0] > 3 * spreads[1]


def test_exposure_keeps_8_bits_and_follows_the_seed() -> None:
    frames = picture(16, 48)[:, :, 8:-8, 8:-8], picture(16, 48)
    first, again, other = (expose(generator(seed), *(f.clone() for f in frames)) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    for frame in first:
        torch.testing.assert_close(frame * 255, (frame * 255).round(), atol=1e-3, rtol=0)
        assert frame.min() >= 0
        assert frame.max() <= 1
    grey = (first[0][:, :1] == first[0]).flatten(1).all(1)
    assert 0 < grey.sum() < 16
