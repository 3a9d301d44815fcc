from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowcli.checkpoints import save_checkpoint
from flowcli.coarse_to_fine.consistency import find_confidence, find_occlusion
from flowcli.errors import InputError, UsageError, WeightsError
from flowcli.estimator import Estimator, estimate
from flowcli.flow import Frame
from flowcli.model.config import TINY
from flowcli.model.perceiver import PerceiverFlow
from flowcli.training.scene import make_scene


@pytest.fixture(scope="module")
def compact() -> Estimator:
    return Estimator()


@pytest.fixture(scope="module")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    torch.manual_seed(0)
    model = PerceiverFlow(TINY)
    torch.nn.init.normal_(model.decoder.output.weight)
    save_checkpoint(path, TINY, model.state_dict(), {})
    return path


def make_frame(height: int, width: int, seed: int) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_embedded_network_sees_motion(compact: Estimator) -> None:
    scene = make_scene((96, 128), seed=15)
    field = compact.flow(scene.frame1, scene.frame2)
    error = np.linalg.norm(field.uv - scene.truth.uv, axis=2).mean()
    still = np.linalg.norm(scene.truth.uv, axis=2).mean()
    assert error < 0.6 * still
    again = compact.flow(scene.frame1, scene.frame2)
    assert (again.uv == field.uv).all()


@pytest.mark.parametrize("size", [(1, 1), (17, 3), (2, 90), (61, 70)])
def test_frames_of_any_size(compact: Estimator, size: tuple[int, int]) -> None:
    frame = make_frame(*size, seed=1)
    field = compact.flow(frame, frame)
    assert field.size == size
    assert field.valid is None
    assert np.linalg.norm(field.uv, axis=2).mean() < 0.5


def test_an_initial_flow_helps_where_motion_is_large(compact: Estimator) -> None:
    wide = make_scene((128, 220), seed=3).frame1
    frame1, frame2 = (np.ascontiguousarray(wide[:, start : start + 192]) for start in (0, 24))
    guided = Estimator(initial_flow="dis").flow(frame1, frame2)
    truth = np.float32([-24, 0])
    inner = np.s_[16:-16, 40:-16]
    assert np.linalg.norm(guided.uv - truth, axis=2)[inner].mean() < 0.5
    assert Estimator(initial_flow="dis").settings["initial_flow"] == "dis"
    assert Estimator(initial_flow="none").settings["initial_flow"] == "none"


def test_streams_keep_their_order_and_may_change_size(tiny_checkpoint: Path) -> None:
    estimator = Estimator(tiny_checkpoint)
    sizes = [(12, 16), (20, 30), (20, 30), (5, 4)]
    pairs = [(make_frame(*size, seed=k), make_frame(*size, seed=k + 10)) for k, size in enumerate(sizes)]
    fields = list(estimator.flows(iter(pairs)))
    assert [field.size for field in fields] == sizes
    for field, pair in zip(fields, pairs, strict=True):
        np.testing.assert_allclose(field.uv, estimator.flow(*pair).uv, atol=1e-5)
    assert list(estimator.flows([])) == []


def test_streams_are_lazy(tiny_checkpoint: Path) -> None:
    taken = []

    def pairs():
        for k in range(100):
            taken.append(k)
            yield make_frame(8, 8, k), make_frame(8, 8, k)

    flows = Estimator(tiny_checkpoint).flows(pairs())
    next(flows)
    assert len(taken) == 1


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_both_directions_of_a_stream_come_in_order_and_lazily(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    taken = []
    sizes = [(30, 40), (30, 40), (12, 16), (5, 4), (5, 4)]
    frames = [(make_frame(*size, seed=k), make_frame(*size, seed=k + 10)) for k, size in enumerate(sizes)]

    def pairs():
        for pair in frames:
            taken.append(pair)
            yield pair

    estimator = Estimator(tiny_checkpoint)
    monkeypatch.setattr(estimator.method, "pairs_at_once", at_once)
    found = estimator.flows_both(pairs())
    first = next(found)
    assert len(taken) == at_once
    for both, pair in zip([first, *found], frames, strict=True):
        np.testing.assert_allclose(both.forward.uv, estimator.flow(*pair).uv, atol=1e-5)
        np.testing.assert_allclose(both.backward.uv, estimator.flow(*pair[::-1]).uv, atol=1e-5)
    assert list(estimator.flows_both([])) == []


def test_both_directions_say_what_is_hidden() -> None:
    scene = make_scene((96, 128), seed=15)
    both = Estimator("dis").flow_both(scene.frame1, scene.frame2)
    np.testing.assert_array_equal(both.occluded, find_occlusion(both.forward, both.backward))
    np.testing.assert_array_equal(both.confidence, find_confidence(both.forward, both.backward))
    assert both.occluded is both.occluded and 0 < both.occluded.mean() < 0.5


def test_frames_may_be_any_picture(tmp_path: Path) -> None:
    estimator = Estimator("dis")
    pair = [make_frame(40, 50, seed) for seed in (1, 2)]
    expected = estimator.flow(*pair)
    for convert in (torch.from_numpy, Image.fromarray, lambda frame: frame / 255):
        given = [convert(frame) for frame in pair]
        if convert is torch.from_numpy:
            given = [frame.permute(2, 0, 1) for frame in given]
        assert estimator.flow(*given) == expected
    paths = [tmp_path / f"{k}.png" for k in range(2)]
    for path, frame in zip(paths, pair, strict=True):
        Image.fromarray(frame).save(path)
    assert estimator.flow(*paths) == expected and estimator.flow(*map(str, paths)) == expected


def test_settings_say_what_determines_the_result(tiny_checkpoint: Path) -> None:
    settings = Estimator(tiny_checkpoint, overlap=3, batch=2).settings
    assert settings["overlap"] == 3
    assert settings["tile"] == [12, 16]
    assert len(str(settings["weights"])) == 64
    assert Estimator("dis").settings == {"model": "dis"}


def test_batch_and_frames_do_not_change_the_result(tiny_checkpoint: Path) -> None:
    pair = make_frame(40, 50, 1), make_frame(40, 50, 2)
    fields = [Estimator(tiny_checkpoint, batch=batch).flow(*pair).uv for batch in (1, 7)]
    np.testing.assert_allclose(fields[0], fields[1], atol=1e-5)
    np.testing.assert_array_equal(pair[0], make_frame(40, 50, 1))


def test_the_shortcut_equals_the_class(tiny_checkpoint: Path) -> None:
    pair = make_frame(20, 20, 1), make_frame(20, 20, 2)
    np.testing.assert_array_equal(estimate(*pair, tiny_checkpoint).uv, Estimator(tiny_checkpoint).flow(*pair).uv)


def test_unfit_options_are_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="overlap from 0 to 11"):
        Estimator(tiny_checkpoint, overlap=12)
    with pytest.raises(UsageError, match="expected no --refine with"):
        Estimator(tiny_checkpoint, refine=True)
    with pytest.raises(UsageError, match="expected no --initial-flow with"):
        Estimator(tiny_checkpoint, initial_flow="dis")
    with pytest.raises(UsageError, match="--initial-flow as one of auto, none, dis, got 'farneback'"):
        Estimator(initial_flow="farneback")
    with pytest.raises(WeightsError):
        Estimator("no-such-model")
    with pytest.raises(InputError, match="equal size"):
        Estimator("zero").flow(make_frame(4, 4, 0), make_frame(4, 5, 0))
    with pytest.raises(InputError, match="frame 1 as floats from 0 to 1"):
        Estimator(tiny_checkpoint).flow(*[make_frame(4, 4, 0).astype(np.float32)] * 2)
    with pytest.raises(InputError, match="uint8"):
        Estimator(tiny_checkpoint).flow(*[make_frame(4, 4, 0).astype(np.int64)] * 2)
