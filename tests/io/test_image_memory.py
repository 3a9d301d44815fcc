"""Small files that promise much: no more memory than file, samples, frame and 256 MiB, or one line before decoding."""

import struct
import zlib

import numpy as np
import OpenEXR
import pytest
from PIL import Image

MIB = 2**20


def write_spaces(path, magic):
    path.write_bytes(magic + b" " * (200 * MIB))


def write_plain_numbers(path):
    path.write_bytes(b"P3\n2000 2000\n255\n" + b"7 " * (3 * 2000 * 2000))


def write_tiff(path, side, sample_bytes, kind, samples=1, strip_rows=64):
    """Deflated zeros; every strip is the same."""
    strip = zlib.compress(bytes(strip_rows * side * samples * sample_bytes), 9)
    count = -(-side // strip_rows)
    entries = [
        (256, 4, 1, side),
        (257, 4, 1, side),
        (258, 3, 1, 8 * sample_bytes),
        (259, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, count, 0),
        (277, 3, 1, samples),
        (278, 4, 1, strip_rows),
        (279, 4, count, 0),
        (339, 3, 1, {"u": 1, "f": 3}[kind]),
    ]
    start = 8 + 2 + 12 * len(entries) + 4
    offsets, lengths, strip_at = start, start + 4 * count, start + 8 * count
    places = {273: offsets, 279: lengths}
    directory = b"".join(struct.pack("<HHII", t, k, n, places.get(t, v)) for t, k, n, v in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4)
    body = struct.pack(f"<{count}I", *[strip_at] * count) + struct.pack(f"<{count}I", *[len(strip)] * count)
    path.write_bytes(head + body + strip)


def write_exr(path, channels, side):
    zero = np.zeros((side, side), np.float16)
    parts = {name: zero for name in ("R", "G", "B", *(f"layer{k:02d}" for k in range(channels - 3)))}
    header = {"compression": OpenEXR.RLE_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, parts).write(str(path))


def write_tga(path, side):
    lines = bytes((255, 1, 2, 3)) * (side * side // 128)  # runs of 128 pixels
    path.write_bytes(struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, side, side, 24, 0) + lines)


@pytest.mark.parametrize(
    ("name", "write", "needed", "result"),
    [
        ("p5.pgm", lambda path: write_spaces(path, b"P5"), 0, "cut short"),
        ("p3.ppm", lambda path: write_spaces(path, b"P3 8000 6000 255"), 0, "cut short"),
        ("numbers.ppm", write_plain_numbers, 2000 * 2000 * 11 / MIB, "(2000, 2000, 3)"),
        ("double.tif", lambda path: write_tiff(path, 4096, 8, "f"), 4096 * 4096 * 7 / MIB, "(4096, 4096, 3)"),
        ("float.tif", lambda path: write_tiff(path, 4096, 4, "f"), 4096 * 4096 * 7 / MIB, "(4096, 4096, 3)"),
        ("strip.tif", lambda path: write_tiff(path, 4096, 8, "f", strip_rows=4096), 0, "it takes"),
        ("layers.exr", lambda path: write_exr(path, 60, 2048), 2048 * 2048 * 9 / MIB, "(2048, 2048, 3)"),
        ("a.tga", lambda path: write_tga(path, 4096), 4096 * 4096 * 7 / MIB, "(4096, 4096, 3)"),
        ("large.tga", lambda path: write_tga(path, 8192), 0, "can be decoded in"),
    ],
)
def test_images_that_promise_much(name, write, needed, result, tmp_path, peak_memory):
    write(tmp_path / name)
    peak, found = peak_memory(tmp_path / name, "image")
    assert result in found
    assert peak < needed + 256 + (tmp_path / name).stat().st_size / MIB


def test_a_large_animation_of_nothing_is_refused(tmp_path, peak_memory):
    frames = [Image.new("RGB", (6000, 5000), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True, method=0)
    peak, found = peak_memory(tmp_path / "a.webp", "image")
    assert "can be decoded in" in found
    assert peak < 256
