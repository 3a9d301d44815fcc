"""The coarse-to-fine method and the one of one scale, as they are built from options."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from flowcli.benchmark.random_weights import make_random_network
from flowcli.checkpoints import save_checkpoint
from flowcli.coarse_to_fine.config import PRESETS
from flowcli.estimator import Estimator
from flowcli.methods import build_method
from flowcli.methods.coarse_to_fine import CoarseToFineMethod
from flowcli.methods.perceiver import PUBLISHED_OVERLAP, PerceiverMethod
from flowcli.model.config import TINY
from flowcli.options import EstimatorOptions
from flowcli.training.scene import make_scene


def build(model: str = "compact", **values: object) -> CoarseToFineMethod:
    method = build_method(EstimatorOptions(model, **values))  # pyright: ignore[reportArgumentType]
    assert isinstance(method, CoarseToFineMethod)
    return method


@pytest.mark.slow
def test_more_work_asks_the_network_more_and_each_preset_estimates() -> None:
    scene = make_scene((320, 420), seed=13)
    tiles, errors = [], []
    for name in ("fast", "balanced", "best"):
        method = build(initial_flow="none", preset=name)
        assert method.settings["preset"] == name
        field = method.estimate([(scene.frame1, scene.frame2)])[0]
        assert field.size == (320, 420)
        assert method.network is not None
        tiles.append(method.network.tiled.finished)
        errors.append(abs(field.uv - scene.truth.uv).mean())
    assert tiles[0] < tiles[1] < tiles[2]
    assert max(errors) < 0.5 * abs(scene.truth.uv).mean()


def test_the_default_is_balanced_and_an_overlap_of_the_users_own_wins() -> None:
    method = build(overlap=5)
    assert method.settings["preset"] == "balanced"
    assert method.network is not None and method.network.tiled.overlap == method.settings["overlap"] == 5
    assert build().settings["overlap"] == PRESETS["balanced"].overlap
    assert build(preset="best").settings["overlap"] == PRESETS["best"].overlap


def test_refinement_is_left_out_if_told() -> None:
    assert build().config.variational and build(refine=True).config.variational
    method = build(refine=False)
    assert not method.config.variational and method.settings["refine"] is False


@pytest.mark.parametrize("preset", PRESETS)
def test_without_a_network_motion_is_found(preset: str) -> None:
    scene = make_scene((96, 128), seed=15)
    method = build("variational", preset=preset, initial_flow="none")
    assert method.network is None and method.pairs_at_once == 1
    assert method.settings == {"model": "variational", "initial_flow": "none", "refine": True, "preset": preset}
    field = method.estimate([(scene.frame1, scene.frame2)])[0]
    error = np.linalg.norm(field.uv - scene.truth.uv, axis=2).mean()
    assert error < 0.6 * np.linalg.norm(scene.truth.uv, axis=2).mean()


@pytest.mark.parametrize("model", ["compact", "variational"])
@pytest.mark.parametrize("initial_flow", ["dis", "none"])
@pytest.mark.parametrize("size", [(40, 60), (130, 150)])
def test_both_directions_are_those_estimated_alone(size: tuple[int, int], initial_flow: str, model: str) -> None:
    scene = make_scene(size, seed=4)
    with Estimator(model, initial_flow=initial_flow, threads=2) as estimator:
        both = estimator.flow_both(scene.frame1, scene.frame2)
        assert both.forward == estimator.flow(scene.frame1, scene.frame2)
        assert both.backward == estimator.flow(scene.frame2, scene.frame1)
    assert both.forward != both.backward


@pytest.mark.slow
def test_the_threads_end_when_the_estimator_is_closed() -> None:
    before = set(threading.enumerate())
    scene = make_scene((96, 128), seed=15)
    for model in ("variational", "compact"):
        with Estimator(model, threads=2) as estimator:
            inside = estimator.flow(scene.frame1, scene.frame2)
            assert set(threading.enumerate()) > before
        assert set(threading.enumerate()) == before
        # A closed one starts them again.
        assert estimator.flow(scene.frame1, scene.frame2) == inside
        estimator.close()
        assert set(threading.enumerate()) == before


def test_a_checkpoint_of_whole_motions_is_used_as_published(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, TINY, make_random_network(TINY).state_dict(), {})
    method = build_method(EstimatorOptions(str(path)))
    assert isinstance(method, PerceiverMethod)
    assert method.settings["model"] == str(path) and "preset" not in method.settings
    # At most half a tile.
    assert method.settings["overlap"] == min(PUBLISHED_OVERLAP, min(TINY.tile) // 2)
    assert method.network.tiled.grid == "published"
    frame1, frame2 = np.random.default_rng(0).integers(0, 256, (2, *TINY.tile, 3), np.uint8)
    field = method.estimate([(frame1, frame2)])[0]
    tiles = [torch.from_numpy(frame.copy()).permute(2, 0, 1)[None] for frame in (frame1, frame2)]
    expected = make_random_network(TINY)(*(tile / 127.5 - 1 for tile in tiles))[0].permute(1, 2, 0)
    np.testing.assert_allclose(field.uv, expected.detach().numpy(), atol=1e-4)
