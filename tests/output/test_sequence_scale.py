from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.io.image import write_image
from flowcli.io.sources import open_source
from flowcli.output import scale as scale_module
from flowcli.output.scale import FALL, RISE, SequenceScale, choose_sequence_scale, measure_scale
from flowcli.viz import choose_scale, render


def textured(seed=0, height=120, width=200):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width]


def write_frames(folder, frames):
    for k, frame in enumerate(frames):
        write_image(folder / f"{k:03d}.png", np.ascontiguousarray(frame))
    return open_source([str(folder)])


def moving(speed, count=20):
    """A camera that pans over a texture, `speed` px per frame."""
    wide = textured(width=200 + speed * count)
    return [wide[:, speed * k : speed * k + 200] for k in range(count)]


def test_the_scale_follows_the_motion(tmp_path):
    for speed in (4, 12):
        folder = tmp_path / str(speed)
        folder.mkdir()
        scale = measure_scale(write_frames(folder, moving(speed)))
        assert speed * 0.9 <= scale <= speed * 1.5


def test_the_scale_is_in_pixels_of_the_frames_whatever_their_size(tmp_path, monkeypatch):
    source = write_frames(tmp_path, moving(12))
    monkeypatch.setattr(scale_module, "LONGEST_SIDE", 100)
    assert 12 * 0.8 <= measure_scale(source) <= 12 * 1.5


def test_a_scene_cut_does_not_move_it(tmp_path):
    frames = moving(4, 40)
    frames[20:] = [255 - frame[::-1] for frame in frames[20:]]
    assert measure_scale(write_frames(tmp_path, frames)) <= 6


def test_noise_without_texture_does_not_move_it(tmp_path):
    rng = np.random.default_rng(0)
    frames = []
    for picture in moving(4):
        frame = np.full((120, 400, 3), 128, np.uint8) + rng.integers(0, 4, (120, 400, 3), np.uint8)
        frame[:, :200] = picture
        frames.append(frame)
    assert measure_scale(write_frames(tmp_path, frames)) <= 8


def test_a_static_scene_does_not_pulse(tmp_path):
    """Sensor noise alone: the scale stays at its floor, so that the pictures stay white."""
    rng = np.random.default_rng(0)
    still = textured().astype(int)
    frames = [np.clip(still + rng.normal(0, 3, still.shape), 0, 255).astype(np.uint8) for _ in range(8)]
    source = write_frames(tmp_path, frames)
    assert measure_scale(source) == 1
    running = SequenceScale()
    for _ in range(5):
        running.see(FlowField(rng.normal(0, 0.05, (120, 200, 2)).astype(np.float32)))
        assert running.value == 1


def flicker(fields, scales):
    """Mean change of colour, in levels, of motion that does not change: the left half of every field."""
    pictures = [render(field, "wheel", scale)[:, :50].astype(int) for field, scale in zip(fields, scales, strict=True)]
    return np.mean([np.abs(a - b).mean() for a, b in pairwise(pictures)])


def test_equal_motion_keeps_its_colour_while_something_else_comes_and_goes():
    rng = np.random.default_rng(0)
    fields = []
    for _ in range(30):
        uv = np.full((40, 100, 2), (3, 1), np.float32)
        uv[:, 50:] = rng.uniform(1, 30)
        fields.append(FlowField(uv))
    alone = flicker(fields, [choose_scale(field) for field in fields])
    running, values = SequenceScale(), []
    for field in fields:
        running.see(field)
        values.append(running.value)
    assert alone > 5
    assert flicker(fields, values) < 0.12 * alone
    assert flicker(fields, [20.0] * 30) == 0


def test_a_running_scale_is_bounded_in_its_steps():
    scale = SequenceScale()
    scale.see(FlowField(np.full((4, 4, 2), 2, np.float32)))
    first = scale.value
    scale.see(FlowField(np.full((4, 4, 2), 50, np.float32)))
    assert scale.value == pytest.approx(first * RISE)
    scale.see(FlowField(np.zeros((4, 4, 2), np.float32)))
    assert scale.value == pytest.approx(first * RISE * FALL)


def test_a_fixed_scale_sees_nothing():
    scale = SequenceScale(7.5)
    scale.see(FlowField(np.full((4, 4, 2), 50, np.float32)))
    assert scale.value == scale.fixed == 7.5


def test_which_sources_get_which(tmp_path, moving_frames):
    import io

    source = write_frames(tmp_path, moving(4, 4))
    assert choose_sequence_scale(source).fixed is not None
    pair = open_source([str(tmp_path / "000.png"), str(tmp_path / "001.png")])
    assert choose_sequence_scale(pair).fixed is None
    raw = open_source(["-"], size=(48, 64), fps=Fraction(25), stdin=io.BytesIO(moving_frames(3).tobytes()))
    assert choose_sequence_scale(raw).fixed is None


def test_frames_that_cannot_be_read_do_not_matter_here(tmp_path):
    source = write_frames(tmp_path, moving(4, 6))
    for k in (2, 3, 4, 5):
        (tmp_path / f"{k:03d}.png").write_bytes(b"damaged")
    assert 3 < measure_scale(source) < 6
    (tmp_path / "000.png").unlink()
