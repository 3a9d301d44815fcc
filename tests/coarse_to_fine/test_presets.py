from __future__ import annotations

from typing import get_args

import pytest

from flowcli.cli.options import PresetName
from flowcli.coarse_to_fine.presets import PRESETS, find_preset
from flowcli.errors import UsageError
from flowcli.methods.network import NetworkFlow
from flowcli.training.scene import make_scene


def test_more_work_asks_the_network_more_and_each_preset_estimates() -> None:
    scene = make_scene((320, 420), seed=13)
    tiles, errors = [], []
    for name in ("fast", "balanced", "best"):
        network = NetworkFlow("compact", guess="none", preset=name)
        assert network.settings["preset"] == name
        field = network.estimate([(scene.frame1, scene.frame2)])[0]
        assert field.size == (320, 420)
        tiles.append(network.tiled.finished)
        errors.append(abs(field.uv - scene.truth.uv).mean())
    assert tiles[0] < tiles[1] < tiles[2]
    assert max(errors) < 0.5 * abs(scene.truth.uv).mean()


def test_the_commands_offer_these_presets() -> None:
    assert get_args(PresetName) == tuple(PRESETS)


def test_the_default_is_balanced_and_an_overlap_of_the_users_own_wins() -> None:
    network = NetworkFlow("compact", overlap=5)
    assert network.settings["preset"] == "balanced"
    assert network.overlap == 5
    assert NetworkFlow("compact").overlap == PRESETS["balanced"].overlap


def test_an_unknown_preset_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="expected a preset of fast, balanced, best, got 'quick'"):
        find_preset("quick")
    with pytest.raises(UsageError, match="got 'quick'"):
        NetworkFlow("compact", preset="quick")
