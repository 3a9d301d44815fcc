"""Motion statistics of flows that are known, against numbers worked out by other means."""

import json

import cv2
import numpy as np
import pytest

from flowcli.errors import UsageError
from flowcli.flow import FlowField
from flowcli.motion.camera import fit_camera
from flowcli.motion.clip import ClipSummary
from flowcli.motion.columns import CLIP_COLUMNS, MEASURED, PAIR_COLUMNS
from flowcli.motion.cut import is_cut, measure_content, measure_similarity
from flowcli.motion.measure import measure_motion
from flowcli.motion.options import MotionOptions
from flowcli.motion.vbench import is_dynamic, threshold

SIZE = (60, 80)
DIAGONAL = 100.0


def texture(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (15, 20, 3), np.uint8)
    return np.asarray(cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def similarity(one, two, flow):
    found = measure_similarity(one, two, flow)
    assert found is not None
    return found


def measure(uv, backward=None, options=MotionOptions(), rate=25.0, frame2=None):
    frame = texture(1)
    return measure_motion(
        frame, frame if frame2 is None else frame2, FlowField.with_unknown(uv), backward, rate, options
    )


def constant(u, v):
    return np.full((*SIZE, 2), (u, v), np.float32)


def test_lengths_are_those_of_numpy():
    uv = np.random.default_rng(0).normal(0, 3, (*SIZE, 2)).astype(np.float32)
    lengths = np.sqrt((uv.astype(float) ** 2).sum(axis=2)).ravel()
    found = measure(uv)
    assert found["mean"] == pytest.approx(lengths.mean(), rel=1e-6)
    assert found["median"] == pytest.approx(np.median(lengths), rel=1e-6)
    assert found["p95"] == pytest.approx(np.percentile(lengths, 95), rel=1e-6)
    # VBench: sorted downwards, the first int(0.05 h w).
    fastest = sorted(lengths, reverse=True)[: int(0.05 * lengths.size)]
    assert found["top5"] == pytest.approx(np.mean(fastest), rel=1e-6)
    for name in ("mean", "median", "p95", "top5"):
        assert found[f"{name}_diagonal"] == pytest.approx(found[name] / DIAGONAL)
    assert found["moving"] == pytest.approx((lengths > 1).mean())
    assert found["u"] == pytest.approx(uv[..., 0].astype(float).mean(), abs=1e-9)
    assert found["v"] == pytest.approx(uv[..., 1].astype(float).mean(), abs=1e-9)


def test_unknown_pixels_take_no_part():
    uv = constant(3, 4)
    uv[:30] = np.nan
    found = measure(uv)
    assert (found["known"], found["mean"], found["top5"], found["moving"]) == (0.5, 5, 5, 1)
    nothing = measure(np.full_like(uv, np.nan))
    assert nothing["known"] == 0
    assert [name for name in MEASURED if nothing[name] is None] == [
        name for name in MEASURED if name not in ("known", "content", "scene_cut")
    ]


def camera_flow(matrix):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    there = np.einsum("ij,jhw->ihw", np.asarray(matrix, float), np.stack([x, y, np.ones_like(x)]))
    return np.stack([there[0] / there[2] - x, there[1] / there[2] - y], axis=-1).astype(np.float32)


def around_centre(zoom, degrees, pan):
    """Zoom and turn about the centre of the frame, then pan; clockwise as seen, for y goes down."""
    centre = np.array([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2])
    angle = np.radians(degrees)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.vstack([np.column_stack([turn, centre - turn @ centre + pan]), [0, 0, 1]])


@pytest.mark.parametrize("model", ["affine", "homography"])
def test_the_camera_is_found_behind_a_moving_object(model):
    uv = camera_flow(around_centre(1.05, 2.0, (3.0, -1.5)))
    uv[10:30, 20:50] += (6, 2)
    found = measure(uv, options=MotionOptions(camera=model))
    assert found["pan_x"] == pytest.approx(3, abs=0.01)
    assert found["pan_y"] == pytest.approx(-1.5, abs=0.01)
    assert found["zoom"] == pytest.approx(1.05, abs=1e-3)
    assert found["roll"] == pytest.approx(2, abs=0.02)
    share = 20 * 30 / (60 * 80)
    assert found["camera"] == pytest.approx(1 - share, abs=0.01)
    assert found["residual"] == pytest.approx(share * np.hypot(6, 2), abs=0.02)
    assert found["residual_diagonal"] == pytest.approx(found["residual"] / DIAGONAL)
    assert found["residual_moving"] == pytest.approx(share, abs=0.01)


def test_perspective_needs_the_homography():
    uv = camera_flow([[1, 0, 0], [0, 1, 0], [1e-3, 5e-4, 1]])
    affine, homography = (measure(uv, options=MotionOptions(camera=model)) for model in ("affine", "homography"))
    assert homography["residual"] < 0.01 < 0.1 < affine["residual"]
    assert homography["camera"] == 1


def test_the_camera_is_the_same_every_time():
    flow = FlowField(np.random.default_rng(5).normal(0, 2, (*SIZE, 2)).astype(np.float32))
    first, second = fit_camera(flow, "affine"), fit_camera(flow, "affine")
    assert first is not None and second is not None
    np.testing.assert_array_equal(first.matrix, second.matrix)


def test_consistency_is_that_of_the_occlusion_masks():
    forward, backward = constant(4, 0), constant(-4, 0)
    backward[:, :40] = 4
    found = measure(forward, FlowField(backward))
    # The right 4 columns leave the frame, and the left 36 come to lie where the flow back leads elsewhere.
    assert found["consistent"] == pytest.approx((80 - 36 - 4) / 80)
    assert measure(forward)["consistent"] is None


def test_cuts_are_what_no_motion_explains():
    one = texture(1)
    moved = np.roll(one, 5, axis=1)
    flow = FlowField(constant(5, 0))
    assert similarity(one, moved, flow) > 0.99
    dimmed = (moved * 0.6 + 30).astype(np.uint8)
    assert similarity(one, dimmed, flow) > 0.98
    assert similarity(one, texture(2), flow) < 0.5
    assert measure(constant(5, 0), frame2=moved)["scene_cut"] is False
    assert measure(constant(5, 0), frame2=texture(2))["scene_cut"] is True
    black = np.zeros_like(one)
    assert measure_similarity(one, black, flow) is None
    assert measure(constant(5, 0), frame2=black)["scene_cut"] is True
    assert not is_cut(0.1, content=3)


def test_content_is_the_mean_change_of_hue_saturation_and_value():
    one, two = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)
    two[..., 0] = 30  # red: saturation 255, value 30, hue 0
    assert measure_content(one, two) == pytest.approx((0 + 255 + 30) / 3)


def test_vbench_thresholds():
    assert threshold((256, 512), 25) == 6
    assert threshold((512, 256), 4) == 12
    # 17 frames of which a quarter is 4.25, rounded 4.
    assert (is_dynamic(3, 16), is_dynamic(4, 16)) == (False, True)
    assert not is_dynamic(0, 1)
    found = measure(constant(1.5, 0))
    assert threshold(SIZE, 25) == pytest.approx(1.40625)
    assert found["dynamic"] is True
    assert measure(constant(1.5, 0), rate=4.0)["dynamic"] is False


def test_a_clip_is_the_mean_of_its_pairs_without_cuts():
    summary = ClipSummary()
    for number, (speed, cut) in enumerate([(1.0, False), (40.0, True), (3.0, False)]):
        row = measure(constant(speed, 0)) | {"scene_cut": cut, "width": 80, "height": 60, "duration": 0.5}
        row["consistent"] = None if number == 0 else 0.5
        summary.add(row)
    row = summary.row("a/b", "b.mp4", "ok")
    assert tuple(row) == tuple(CLIP_COLUMNS)
    assert (row["mean"], row["consistent"], row["pairs"], row["scene_cuts"], row["duration"]) == (2, 0.5, 3, 1, 1.5)
    assert row["dynamic"] is True
    json.dumps(row, allow_nan=False)
    empty = ClipSummary().row("c", "c.mp4", "broken")
    assert (empty["mean"], empty["dynamic"], empty["pairs"]) == (None, None, 0)


def test_every_column_has_a_formula_and_units():
    assert all(column.formula for column in PAIR_COLUMNS.values())
    assert set(MEASURED) < set(PAIR_COLUMNS)
    assert all(column.clip or column.is_measured for column in CLIP_COLUMNS.values())


@pytest.mark.parametrize("values", [{"moving": 0.0}, {"moving": float("nan")}, {"camera": "rigid"}])
def test_options_have_ranges(values):
    with pytest.raises(UsageError, match=r"--moving|--camera"):
        MotionOptions(**values)
