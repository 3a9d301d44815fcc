from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from flowcli.checkpoints import save_checkpoint
from flowcli.errors import EngineError, InputError, UsageError, WeightsError
from flowcli.estimator import Estimator, estimate
from flowcli.flow import Frame
from flowcli.model.config import TINY
from flowcli.model.perceiver import PerceiverFlow
from flowcli.runtime.device import choose_device, choose_precision, has_bf16
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


def test_a_first_guess_helps_where_motion_is_large(compact: Estimator) -> None:
    wide = make_scene((128, 220), seed=3).frame1
    frame1, frame2 = (np.ascontiguousarray(wide[:, start : start + 192]) for start in (0, 24))
    guided = Estimator(guess="dis").flow(frame1, frame2)
    truth = np.float32([-24, 0])
    inner = np.s_[16:-16, 40:-16]
    assert np.linalg.norm(guided.uv - truth, axis=2)[inner].mean() < 0.5
    assert Estimator(guess="dis").settings["guess"] == "dis"
    assert Estimator(guess="none").settings["guess"] == "none"


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


def test_pairs_that_belong_together_are_taken_at_once_and_equal_those_alone(tiny_checkpoint: Path) -> None:
    taken = []
    frames = [make_frame(30, 40, seed) for seed in range(3)]
    order = [(0, 1), (1, 0), (1, 2), (2, 1)]

    def pairs():
        for first, second in order:
            taken.append(first)
            yield frames[first], frames[second]

    estimator = Estimator(tiny_checkpoint)
    fields = estimator.flows(pairs(), together=2)
    alone = [estimator.flow(frames[first], frames[second]) for first, second in order]
    np.testing.assert_allclose(next(fields).uv, alone[0].uv, atol=1e-5)
    assert len(taken) == 2
    for field, expected in zip(fields, alone[1:], strict=True):
        np.testing.assert_allclose(field.uv, expected.uv, atol=1e-5)


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
    with pytest.raises(InputError, match="overlap from 0 to 11"):
        Estimator(tiny_checkpoint, overlap=12)
    with pytest.raises(UsageError, match="expected no --polish with"):
        Estimator(tiny_checkpoint, polish=True)
    with pytest.raises(InputError, match="--guess none with"):
        Estimator(tiny_checkpoint, guess="dis")
    with pytest.raises(InputError, match="first guess auto, none or dis"):
        Estimator(guess="farneback")
    with pytest.raises(WeightsError):
        Estimator("no-such-model")
    with pytest.raises(InputError, match="equal size"):
        Estimator("zero").flow(make_frame(4, 4, 0), make_frame(4, 5, 0))
    with pytest.raises(InputError, match="uint8"):
        Estimator(tiny_checkpoint).flow(*[make_frame(4, 4, 0).astype(np.float32)] * 2)


def test_devices_and_precisions_that_are_not_there_are_named() -> None:
    assert choose_device("cpu").type == "cpu"
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(EngineError, match=f"CUDA device for --device {missing}"):
        choose_device(missing)
    for name in ("gpu", "meta"):
        with pytest.raises(EngineError, match="expected a device auto, cpu"):
            choose_device(name)
    cpu = torch.device("cpu")
    assert choose_precision("fp32", cpu) == "fp32"
    assert choose_precision("auto", cpu) == "fp32"
    with pytest.raises(EngineError, match="precision auto, fp32 or bf16"):
        choose_precision("fp8", cpu)
    if has_bf16(cpu):
        assert choose_precision("bf16", cpu) == "bf16"
    else:
        with pytest.raises(EngineError, match="bfloat16"):
            choose_precision("bf16", cpu)
