"""The classical methods: every size, known motion, no state, no torch."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from flowcli.errors import InputError
from flowcli.estimator import Estimator
from flowcli.methods import METHODS, build_method, classical, coarse_to_fine
from flowcli.methods.classical import DisFlow, FarnebackFlow, ZeroFlow
from flowcli.options import EstimatorOptions

SIZES = [(1, 1), (1, 40), (40, 1), (2, 3), (7, 8), (11, 12), (12, 12), (15, 200), (16, 16), (33, 47)]
CLASSICAL = {"zero": ZeroFlow, "dis": DisFlow, "farneback": FarnebackFlow}
MATCHERS = ["dis", "farneback"]


def make_texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2.0), np.float32)
    return np.clip(128 + 6 * (blurred - blurred.mean()), 0, 255).astype(np.uint8)


def make_shifted_pair(height: int, width: int, right: int, down: int) -> tuple[np.ndarray, np.ndarray]:
    scene = make_texture(height + 20, width + 20)
    crops = [scene[10 - dy : 10 - dy + height, 10 - dx : 10 - dx + width] for dx, dy in ((0, 0), (right, down))]
    return np.ascontiguousarray(crops[0]), np.ascontiguousarray(crops[1])


def test_table_names_are_the_names_of_the_methods() -> None:
    for name, method in CLASSICAL.items():
        assert name in METHODS
        built = build_method(EstimatorOptions(name))
        assert type(built) is method and built.settings == {"model": name}


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("size", SIZES)
def test_any_size_gives_a_finite_field_of_that_size(name: str, size: tuple[int, int]) -> None:
    field = CLASSICAL[name]().estimate([(make_texture(*size, seed=1), make_texture(*size, seed=2))])[0]
    assert field.size == size
    assert field.valid is None
    assert np.isfinite(field.uv).all()


@pytest.mark.parametrize("name", MATCHERS)
def test_known_translation_is_found_with_the_signs_of_the_convention(name: str) -> None:
    field = CLASSICAL[name]().estimate([make_shifted_pair(96, 128, right=3, down=-2)])[0]
    inner = field.uv[20:-20, 20:-20]
    assert np.abs(inner - np.array([3.0, -2.0], np.float32)).mean() < 0.1


def test_dis_on_a_frame_below_its_patch_still_sees_the_motion() -> None:
    field = DisFlow().estimate([make_shifted_pair(14, 60, right=1, down=0)])[0]
    assert abs(float(np.median(field.uv[..., 0])) - 1.0) < 0.2


def test_dis_from_sixteen_pixels_on_is_opencv_untouched() -> None:
    frame1, frame2 = make_shifted_pair(16, 40, right=1, down=1)
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (frame1, frame2)]
    no_start = np.zeros((16, 40, 2), np.float32)
    expected = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(greys[0], greys[1], no_start)
    np.testing.assert_array_equal(DisFlow().estimate([(frame1, frame2)])[0].uv, expected)


def test_zero_is_zero() -> None:
    assert not CLASSICAL["zero"]().estimate([make_shifted_pair(5, 6, 1, 1)])[0].uv.any()


@pytest.mark.parametrize("name", CLASSICAL)
def test_result_does_not_depend_on_company_order_or_threads(name: str) -> None:
    small, large = make_shifted_pair(13, 20, 1, 0), make_shifted_pair(120, 160, 2, 3)
    method = CLASSICAL[name]()
    first = method.estimate([small, large, small])
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        alone = CLASSICAL[name]().estimate([large])[0]
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(first[0].uv, first[2].uv)
    np.testing.assert_array_equal(first[1].uv, alone.uv)


@pytest.mark.parametrize("name", CLASSICAL)
def test_frames_are_not_changed_and_no_pairs_give_no_fields(name: str) -> None:
    frame1, frame2 = make_shifted_pair(30, 40, 1, 1)
    before = frame1.copy(), frame2.copy()
    assert CLASSICAL[name]().estimate([]) == []
    CLASSICAL[name]().estimate([(frame1, frame2)])
    np.testing.assert_array_equal(frame1, before[0])
    np.testing.assert_array_equal(frame2, before[1])


@pytest.mark.parametrize("name", CLASSICAL)
def test_unequal_sizes_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="equal size, got 6x5 and 7x5"):
        CLASSICAL[name]().estimate([(make_texture(5, 6), make_texture(5, 7))])


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_flow_without_a_network_leaves_torch_out(name: str) -> None:
    code = (
        "import sys, numpy, flowcli; frame = numpy.zeros((16, 20, 3), numpy.uint8); "
        "flowcli.Estimator(sys.argv[1], threads=1).flow(frame, frame); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, name], check=False).returncode == 0


def test_frames_too_long_for_dis_are_refused_and_estimated_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.full((16, 32768, 3), 90, np.uint8)
    with pytest.raises(InputError, match="at most 32767 pixels a side for dis, got 32768x16"):
        Estimator("dis").flow(frame, frame)
    for module in (classical, coarse_to_fine):
        monkeypatch.setattr(module, "DIS_LONGEST_SIDE", 100)
    np.testing.assert_allclose(Estimator("compact").flow(frame[:, :101], frame[:, :101]).uv, 0, atol=0.01)
