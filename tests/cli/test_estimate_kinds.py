"""Every named kind of frames as a user has it, written by an independent program: the same motion comes out of all."""

import shutil
import subprocess

import cv2
import imageio_ffmpeg
import numpy as np
import OpenEXR
import pillow_heif
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from flowcli.cli.app import app
from flowcli.io.flow import read_flow

MOTION = (-3, -2)


def make_frames():
    texture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (80, 104, 3), np.uint8), (0, 0), 2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    return [np.ascontiguousarray(texture[2 * k : 2 * k + 64, 3 * k : 3 * k + 80]) for k in range(4)]


FRAMES = make_frames()
IMAGES = [Image.fromarray(frame) for frame in FRAMES]


def animate(name, **options):
    IMAGES[0].save(name, save_all=True, append_images=IMAGES[1:], duration=[40, 80, 40, 120], **options)


def each(write):
    for k in range(len(FRAMES)):
        write(k)


def write_exr(k):
    pixels = {name: np.ascontiguousarray(FRAMES[k][..., c].astype(np.float32) / 255) for c, name in enumerate("RGB")}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, pixels).write(f"e{k}.exr")


def write_dpx(k):
    IMAGES[k].save("d.png")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", "d.png", "-pix_fmt", "gbrp10be", f"d{k}.dpx"]
    subprocess.run(command, check=True)


def write_burst():
    burst = pillow_heif.from_pillow(IMAGES[0])
    for image in IMAGES[1:]:
        burst.add_from_pillow(image)
    burst.save("burst.heic", quality=90)


def write_apng():
    animate("a.png")
    shutil.move("a.png", "a.apng")


KINDS = {
    "a.gif": lambda: animate("a.gif", loop=0),
    "a.webp": lambda: animate("a.webp", lossless=True),
    "a.apng": write_apng,
    "a.avif": lambda: animate("a.avif", quality=90),
    "stack.tif": lambda: tifffile.imwrite("stack.tif", np.stack(FRAMES), photometric="rgb"),
    "deep.tif": lambda: tifffile.imwrite(
        "deep.tif", np.stack(FRAMES)[..., 1].astype(np.uint16) << 4, photometric="minisblack"
    ),
    "burst.heic": write_burst,
    "h*.heic": lambda: each(lambda k: pillow_heif.from_pillow(IMAGES[k]).save(f"h{k}.heic", quality=90)),
    "v*.avif": lambda: each(lambda k: IMAGES[k].save(f"v{k}.avif", quality=90)),
    "t*.tga": lambda: each(lambda k: IMAGES[k].save(f"t{k}.tga", compression="tga_rle")),
    "j*.jp2": lambda: each(lambda k: IMAGES[k].save(f"j{k}.jp2")),
    "e*.exr": lambda: each(write_exr),
    "d*.dpx": lambda: each(write_dpx),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_motion_is_the_same_from_every_kind_of_file(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    KINDS[name]()
    result = CliRunner().invoke(app, ["estimate", name, "-o", "out/", "--model", "dis"])
    assert result.exit_code == 0, result.output
    flows = sorted((tmp_path / "out").glob("*.flo"))
    assert len(flows) == 3
    # A GIF has 256 colours, and dithers.
    tolerance = 0.5 if name == "a.gif" else 0.1
    for path in flows:
        assert np.abs(np.median(read_flow(path).uv, axis=(0, 1)) - MOTION).max() < tolerance
