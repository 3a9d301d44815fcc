"""Anything that is a picture becomes a Frame, and nothing else does."""

import numpy as np
import pytest
import torch
from PIL import Image

from flowcli.errors import InputError
from flowcli.frames import as_frame
from flowcli.io.image import write_image

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def test_a_frame_is_returned_as_it_is():
    assert as_frame(RGB) is RGB or as_frame(RGB).base is RGB


@pytest.mark.parametrize(
    "make",
    [
        lambda: RGB.astype(np.uint16) * 257,
        lambda: (RGB / 255).astype(np.float32),
        lambda: RGB / 255,
        lambda: np.dstack([RGB, np.full((6, 9), 7, np.uint8)]),
        lambda: torch.from_numpy(RGB).permute(2, 0, 1),
        lambda: torch.from_numpy(RGB).permute(2, 0, 1).float() / 255,
        lambda: torch.from_numpy(RGB).permute(2, 0, 1).float().div(255).requires_grad_(),
        lambda: Image.fromarray(RGB),
        lambda: Image.fromarray(RGB).convert("RGBA"),
    ],
)
def test_every_kind_of_colour_picture_gives_the_same_frame(make):
    np.testing.assert_array_equal(as_frame(make()), RGB)


def test_grey_is_repeated():
    grey = RGB[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=2)
    for picture in (grey, grey[..., None], torch.from_numpy(grey), torch.from_numpy(grey)[None], Image.fromarray(grey)):
        np.testing.assert_array_equal(as_frame(picture), expected)
    np.testing.assert_array_equal(as_frame(grey > 127)[..., 0], (grey > 127) * 255)


def test_a_path_is_read(tmp_path):
    write_image(tmp_path / "a.png", RGB)
    np.testing.assert_array_equal(as_frame(tmp_path / "a.png"), RGB)
    np.testing.assert_array_equal(as_frame(str(tmp_path / "a.png")), RGB)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "builtins.NoneType"),
        ([[1, 2]], "builtins.list"),
        (RGB.astype(np.int64), "int64"),
        (RGB.astype(np.float32), "floats from 0 to 1, got values from 0 to 2"),
        (np.full((4, 4, 3), np.nan), "floats from 0 to 1, got values from nan"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (np.zeros(5, np.uint8), r"\(5,\)"),
        (torch.zeros(6, 9, 3), r"torch tensor \(C, H, W\)"),
        (torch.zeros(1, 3, 6, 9), r"\(1, 3, 6, 9\)"),
    ],
)
def test_anything_else_is_our_own_error(value, said):
    with pytest.raises(InputError, match=said):
        as_frame(value, "frame 1")
