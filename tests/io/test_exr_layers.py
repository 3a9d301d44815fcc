"""Motion in EXR as compositors have it, written and read by the OpenEXR package itself."""

import cv2
import numpy as np
import OpenEXR
import pytest

from flowcli.errors import FormatError, UsageError
from flowcli.flow import FlowField
from flowcli.io.flow import FORMATS, read_flow, write_flow
from flowcli.io.flow.exr import encode_nuke

RANDOM = np.random.default_rng(5)
UV = RANDOM.normal(0, 5, (40, 31, 2)).astype(np.float32)
BACK = RANDOM.normal(0, 5, (40, 31, 2)).astype(np.float32)
KNOWN = RANDOM.random((40, 31)) > 0.2
FIELD = FlowField(UV, KNOWN)
HALF = FlowField(np.where(KNOWN[..., None], UV.astype(np.float16).astype(np.float32), np.float32(np.nan)), KNOWN)


def read_channels(path):
    """As the OpenEXR package gives them."""
    return {
        name: channel.pixels for name, channel in OpenEXR.File(str(path), separate_channels=True).channels().items()
    }


def write_channels(path, channels):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {name: np.ascontiguousarray(values) for name, values in channels.items()}).write(str(path))


def masked(values):
    return np.where(KNOWN, values, 0)


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        (".nuke.exr", {"forward.u": masked(UV[..., 0]), "forward.v": masked(-UV[..., 1]), "A": KNOWN}),
        (".rg.exr", {"R": masked(UV[..., 0]), "G": masked(-UV[..., 1]), "A": KNOWN}),
        (
            ".blender.exr",
            # Z, W: this frame minus the next.
            {"Vector.Z": masked(-UV[..., 0]), "Vector.W": masked(UV[..., 1]), "A": KNOWN}
            | {"Vector.X": masked(0), "Vector.Y": masked(0), "Vector.A": masked(0)},
        ),
    ],
)
@pytest.mark.parametrize("half", [False, True])
def test_channels_signs_and_alpha(suffix, expected, half, tmp_path):
    path = tmp_path / f"a{'.half' if half else ''}{suffix}"
    write_flow(path, FIELD)
    found = read_channels(path)
    assert sorted(found) == sorted(expected)
    for name, values in expected.items():
        assert found[name].dtype == (np.float16 if half else np.float32)
        np.testing.assert_array_equal(found[name], values.astype(found[name].dtype), err_msg=name)
    assert read_flow(path) == (HALF if half else FIELD)


def test_stmap_formula(tmp_path):
    write_flow(tmp_path / "a.stmap.exr", FIELD)
    found = read_channels(tmp_path / "a.stmap.exr")
    assert sorted(found) == ["A", "G", "R"]
    y, x = np.mgrid[:40, :31]
    np.testing.assert_allclose(found["R"][KNOWN], ((x + 0.5 + UV[..., 0]) / 31)[KNOWN], rtol=1e-6)
    np.testing.assert_allclose(found["G"][KNOWN], (1 - (y + 0.5 + UV[..., 1]) / 40)[KNOWN], rtol=1e-5, atol=1e-7)
    assert not found["R"][~KNOWN].any() and not found["G"][~KNOWN].any() and not found["A"][~KNOWN].any()


def render(x, y):
    """A smooth picture at real coordinates of pixel centres."""
    return 127 + 60 * np.sin(x / 3) * np.cos(y / 4) + 50 * np.cos(x / 7 + y / 5)


def test_an_stmap_applied_by_plain_numpy_brings_frame_2_onto_frame_1(tmp_path):
    """What a compositor does: the colour of the source at (s W, t H) from the bottom left of its area."""
    height, width = 120, 160
    y, x = np.mgrid[:height, :width].astype(float)
    u, v = 3.3 + 0.5 * np.sin(y / 20), -2.6 + 0.4 * np.cos(x / 25)
    # Frame 2 is given by its own coordinates; what is at (x, y) in frame 1 is at (x + u, y + v) in it.
    frame2 = render(x, y)
    frame1 = render(x + u, y + v)
    write_flow(tmp_path / "a.stmap.exr", FlowField(np.stack([u, v], -1).astype(np.float32)))
    stmap = read_channels(tmp_path / "a.stmap.exr")
    source = frame2[::-1]  # rows from the bottom
    column, row = stmap["R"] * width - 0.5, stmap["G"] * height - 0.5  # the first centre lies at half a pixel
    # Cubic, so that interpolation is not what is measured.
    pulled = cv2.remap(source, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LANCZOS4)
    inside = (x + u > 8) & (x + u < width - 9) & (y + v > 8) & (y + v < height - 9)
    slope_y, slope_x = np.gradient(frame1)
    steep = inside & (np.hypot(slope_x, slope_y) > 5)
    pixels = np.abs(pulled - frame1)[steep] / np.hypot(slope_x, slope_y)[steep]
    assert steep.sum() > 5000
    assert np.percentile(pixels, 99) < 0.05
    # And half a pixel off would be seen.
    off = cv2.remap(source, (column + 0.5).astype(np.float32), row.astype(np.float32), cv2.INTER_LANCZOS4)
    assert np.median(np.abs(off - frame1)[steep] / np.hypot(slope_x, slope_y)[steep]) > 0.1


def test_both_directions_in_one_file(tmp_path):
    other = FlowField(BACK, ~KNOWN)
    for suffix in (".nuke.exr", ".blender.exr"):
        encode = FORMATS[suffix].encode_both
        assert encode is not None
        path = tmp_path / f"a{suffix}"
        path.write_bytes(encode(FIELD, other))
        assert read_flow(path) == FIELD
        assert read_flow(path, key="backward") == other
        path.write_bytes(encode(None, other))
        assert read_flow(path, key="backward") == other
    # Without a direction to the next frame, what there is is read.
    path = tmp_path / "b.nuke.exr"
    path.write_bytes(encode_nuke(None, other))
    assert read_flow(path) == other


@pytest.mark.parametrize("prefix", ["", "ViewLayer.", "View Layer 1."])
def test_a_render_of_blender(prefix, tmp_path):
    """Its Vector pass beside the picture; the alpha of the picture says nothing about motion."""
    zero = np.zeros((40, 31), np.float32)
    motion = {"X": BACK[..., 0], "Y": -BACK[..., 1], "Z": -UV[..., 0], "W": UV[..., 1]}
    channels = {f"{prefix}Vector.{name}": values for name, values in motion.items()}
    channels |= {f"{prefix}Combined.{name}": zero for name in "RGBA"}
    write_channels(tmp_path / "a.exr", channels)
    np.testing.assert_array_equal(read_flow(tmp_path / "a.exr").uv, UV)
    np.testing.assert_array_equal(read_flow(tmp_path / "a.exr", key="backward").uv, BACK)


def test_colours_are_motion_or_positions_only_if_somebody_says_so(tmp_path):
    write_channels(tmp_path / "a.exr", {"R": UV[..., 0], "G": -UV[..., 1]})
    with pytest.raises(FormatError, match=r"say with --key whether they are motion .rg. or positions .stmap."):
        read_flow(tmp_path / "a.exr")
    np.testing.assert_array_equal(read_flow(tmp_path / "a.exr", key="rg").uv, UV)
    np.testing.assert_array_equal(read_flow(tmp_path / "a.exr", key="R,G").uv, UV)
    y, x = np.mgrid[:40, :31].astype(np.float32)
    write_channels(tmp_path / "b.exr", {"R": (x + 0.5) / 31, "G": 1 - (y + 0.5) / 40, "B": 0 * x})
    np.testing.assert_allclose(read_flow(tmp_path / "b.exr", key="stmap").uv, 0, atol=1e-4)
    with pytest.raises(FormatError, match="expected forward, backward, rg, stmap or two channels"):
        read_flow(tmp_path / "a.exr", key="motion")
    with pytest.raises(FormatError, match="the channels a and b that --key names, found G, R"):
        read_flow(tmp_path / "a.exr", key="a,b")
    with pytest.raises(UsageError, match="--layout is for arrays"):
        read_flow(tmp_path / "a.exr", layout="chw")


def test_an_alpha_that_nobody_filled_says_nothing(tmp_path):
    zero = np.zeros((40, 31), np.float32)
    write_channels(tmp_path / "a.rg.exr", {"R": UV[..., 0], "G": -UV[..., 1], "A": zero})
    np.testing.assert_array_equal(read_flow(tmp_path / "a.rg.exr").uv, UV)
    write_channels(tmp_path / "a.rg.exr", {"R": zero, "G": zero, "A": zero})
    assert not read_flow(tmp_path / "a.rg.exr").known.any()
