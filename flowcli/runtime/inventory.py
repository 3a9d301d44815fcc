"""What this machine offers to the network."""

from __future__ import annotations

import torch

from flowcli.runtime.device import has_bf16


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
