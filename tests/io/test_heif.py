"""HEIC and AVIF by independent writers: pillow-heif's encoder, Pillow's, and FFmpeg's."""

import importlib.util
import io
from fractions import Fraction

import av
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from flowcli.errors import FormatError
from flowcli.io.image import decode_image, read_header
from flowcli.io.image.kinds import decode_pages, decode_stored
from flowcli.io.sources import open_source


def make_frames(count=3, height=48, width=64):
    y, x = np.mgrid[:height, :width]
    return [
        np.stack([x * 3 + 8 * k, y * 4 + 5 * k, (x + y) + 20 * k], -1).clip(0, 255).astype(np.uint8)
        for k in range(count)
    ]


FRAMES = make_frames()


def save_heic(frames, **options):
    file = pillow_heif.from_pillow(Image.fromarray(frames[0]))
    for frame in frames[1:]:
        file.add_from_pillow(Image.fromarray(frame))
    buffer = io.BytesIO()
    file.save(buffer, quality=-1, chroma=444, matrix_coefficients=0, **options)
    return buffer.getvalue()


def save_avif(frames, **options):
    buffer = io.BytesIO()
    images = [Image.fromarray(frame) for frame in frames]
    more = {"save_all": True, "append_images": images[1:]} if len(images) > 1 else {}
    images[0].save(buffer, "AVIF", quality=100, subsampling="4:4:4", **more, **options)
    return buffer.getvalue()


def save_deep_avif(samples, pixels="yuv420p10le"):
    """Grey of 10 bits, uint16 (N, H, W), by SVT-AV1 in FFmpeg's AVIF muxer."""
    buffer = io.BytesIO()
    count, height, width = samples.shape
    with av.open(buffer, "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=10, options={"crf": "1", "svtav1-params": "avif=0"})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.color_range = 2
        for k in range(count):
            frame = av.VideoFrame(width, height, pixels)
            planes = [samples[k], *[np.full((height // 2, width // 2), 512, np.uint16)] * 2]
            for plane, values in zip(frame.planes, planes, strict=True):
                lines = np.zeros((plane.height, plane.line_size // 2), "<u2")
                lines[:, : plane.width] = values
                plane.update(lines.tobytes())
            frame.pts, frame.color_range = k, 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def test_heic_as_pillow_heif_wrote_it():
    data = save_heic(FRAMES[:1])
    np.testing.assert_allclose(decode_image(data, "x.heic").astype(int), FRAMES[0], atol=3)


def test_a_burst_is_a_sequence(tmp_path):
    (tmp_path / "burst.heic").write_bytes(save_heic(FRAMES))
    pairs = list(open_source([str(tmp_path / "burst.heic")]).pairs())
    assert [pair.name for pair in pairs] == ["burst_000000", "burst_000001"]
    for pair, first, second in zip(pairs, FRAMES, FRAMES[1:], strict=False):
        np.testing.assert_allclose(pair.frame1.astype(int), first, atol=3)
        np.testing.assert_allclose(pair.frame2.astype(int), second, atol=3)


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_heic_keeps_its_bits(bits, monkeypatch):
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
    samples = np.add.outer(np.arange(48) * 1000, np.arange(64) * 200).astype(np.uint16)
    deep = np.repeat(samples[..., None], 3, axis=2)
    buffer = io.BytesIO()
    file = pillow_heif.from_bytes("RGB;16", (64, 48), deep.tobytes())
    file.save(buffer, quality=-1, chroma=444, matrix_coefficients=0)
    image = decode_stored(buffer.getvalue(), "x.heic")
    assert image.is_deep and image.full == (0, 2**bits - 1)
    np.testing.assert_allclose(image.planes[0].astype(int), samples >> (16 - bits), atol=4)


def test_a_turned_heic_is_upright_once():
    """The container says how it is turned, and libheif turns it; an EXIF tag beside must not turn it again."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = save_heic(FRAMES[:1], exif=exif.tobytes())
    expected = np.asarray(pillow_heif.open_heif(io.BytesIO(data)))
    np.testing.assert_array_equal(decode_image(data, "x.heic"), expected[..., :3])


def test_avif_as_pillow_wrote_it():
    np.testing.assert_allclose(decode_image(save_avif(FRAMES[:1]), "x.avif").astype(int), FRAMES[0], atol=6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_avif_is_upright(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save_avif(FRAMES[:1], exif=exif.tobytes())
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    np.testing.assert_array_equal(decode_image(data, "x.avif"), expected)


def test_an_animated_avif_is_a_sequence_with_its_times(tmp_path):
    (tmp_path / "a.avif").write_bytes(save_avif(FRAMES, duration=[40, 80, 120]))
    source = open_source([str(tmp_path / "a.avif")])
    pairs = list(source.pairs())
    assert [(pair.time, pair.duration) for pair in pairs] == [
        (0, Fraction(40, 1000)),
        (Fraction(40, 1000), Fraction(80, 1000)),
    ]
    np.testing.assert_allclose(pairs[1].frame2.astype(int), FRAMES[2], atol=8)
    # Any one of them, too.
    (last,) = decode_pages((tmp_path / "a.avif").read_bytes(), "a.avif", [2])
    np.testing.assert_array_equal(last.frame, pairs[1].frame2)


@pytest.mark.parametrize("count", [1, 3])
def test_deep_avif_keeps_its_bits(count):
    samples = (
        np.add.outer(np.arange(64) * 5, np.arange(64) * 4).astype(np.uint16)
        + np.arange(count, dtype=np.uint16)[:, None, None] * 60
    )
    data = save_deep_avif(samples)
    header = read_header(data, "x")[1]
    assert (header.depth, header.pages, header.height, header.width) == (10, count, 64, 64)
    for image, expected in zip(decode_pages(data, "x", range(count)), samples, strict=True):
        assert image.is_deep
        found = image.planes[1].astype(float) * 1023 / image.full[1]
        assert np.abs(found - expected).mean() < 3


@pytest.mark.parametrize("kind", ["heic", "avif"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short_is_one_line(kind, share):
    data = save_heic(FRAMES[:1]) if kind == "heic" else save_avif(FRAMES[:1])
    with pytest.raises(FormatError, match=r"x: .*(cut short|damaged|decoded)"):
        decode_image(data[: int(len(data) * share)], "x")


def test_without_pillow_heif_the_message_says_what_to_install(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pillow_heif" else found(name))
    with pytest.raises(FormatError, match=r"pip install 'flowcli\[heif\]'"):
        decode_image(save_heic(FRAMES[:1]), "x.heic")
