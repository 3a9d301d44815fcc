"""Devices: which there are, and which device and arithmetic an estimator uses."""

from __future__ import annotations

from typing import Literal

import torch

from flowcli.errors import EngineError

Precision = Literal["fp32", "bf16"]

HOST_FORMS = frozenset({"cpu"})
"""Types of devices on which steps with an OpenCV or numpy form take that one; tests leave out the CPU."""


def has_host_form(device: torch.device) -> bool:
    """Say whether steps that have a form of OpenCV or numpy beside one of torch take it for tensors on a device.

    On the CPU it takes less time. Elsewhere it would wait for the device, and the data would go there and back.
    """
    return device.type in HOST_FORMS


def has_float64(device: torch.device) -> bool:
    """Say whether a device computes in double precision; Apple's GPUs do not."""
    return device.type != "mps"


def choose_device(name: str) -> torch.device:
    """Resolve "auto", "cpu", "cuda", "cuda:N" or "mps"; EngineError when it is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise EngineError(f"expected a device auto, cpu, cuda, cuda:N or mps, got {name!r}") from None
    if device.type == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= found:
            raise EngineError(f"expected a CUDA device for --device {name}, found {found}; use --device cpu")
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise EngineError("expected an Apple GPU for --device mps, found none; use --device cpu")
    elif device.type != "cpu":
        raise EngineError(f"expected a device auto, cpu, cuda, cuda:N or mps, got {name!r}")
    return device


def has_bf16(device: torch.device) -> bool:
    """Say whether the device multiplies bfloat16 matrices in hardware; elsewhere they are emulated, slowly."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        if not hasattr(torch.cpu, "get_capabilities"):  # an older torch
            return False
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))
    return False


def choose_precision(name: str, device: torch.device) -> Precision:
    """Resolve "auto", "fp32" or "bf16"; EngineError when the device has no bfloat16."""
    if name not in ("auto", "fp32", "bf16"):
        raise EngineError(f"expected a precision auto, fp32 or bf16, got {name!r}")
    if name == "bf16" and not has_bf16(device):
        raise EngineError(f"expected a {device.type} with bfloat16 arithmetic for --precision bf16; use fp32")
    if name == "bf16" or (name == "auto" and device.type == "cuda" and has_bf16(device)):
        return "bf16"
    return "fp32"


def list_devices() -> list[dict[str, object]]:
    """Return one JSON-able entry per device: name as for --device, hardware, memory in GiB where known, bfloat16."""
    cpu = torch.device("cpu")
    devices: list[dict[str, object]] = [
        {"name": "cpu", "hardware": f"{torch.get_num_threads()} threads", "bf16": has_bf16(cpu)}
    ]
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(index)
        devices.append(
            {
                "name": f"cuda:{index}",
                "hardware": properties.name,
                "memory_gib": round(properties.total_memory / 2**30, 1),
                "bf16": has_bf16(torch.device("cuda", index)),
            }
        )
    if torch.backends.mps.is_available():
        devices.append({"name": "mps", "hardware": "Apple GPU", "bf16": False})
    return devices
