from __future__ import annotations

import pytest
import torch

from flowcli.errors import EngineError
from flowcli.runtime.device import choose_device, choose_precision, has_bf16, list_devices


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


def test_the_devices_that_are_listed_are_those_that_can_be_chosen() -> None:
    devices = list_devices()
    assert devices[0] == {
        "name": "cpu",
        "hardware": f"{torch.get_num_threads()} threads",
        "bf16": has_bf16(torch.device("cpu")),
    }
    for device in devices:
        assert choose_device(str(device["name"])).type == str(device["name"]).split(":")[0]
