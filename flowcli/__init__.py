"""Dense optical flow from the command line, estimated by a Perceiver IO network.

    import flowcli
    flow = flowcli.Estimator().flow(frame1, frame2)   # uint8 (H, W, 3) RGB -> FlowField
    flowcli.write_flow("out.flo", flow)

The names below are resolved on first use: importing flowcli must not pay for importing torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowcli.errors import FlowcliError
    from flowcli.estimator import Estimator, estimate
    from flowcli.flow import FlowField
    from flowcli.io.flow import read_flow, write_flow
    from flowcli.io.image import read_image, write_image
    from flowcli.viz import render as flow_to_image

__version__ = "0.1.0"

__all__ = [
    "Estimator",
    "FlowField",
    "FlowcliError",
    "estimate",
    "flow_to_image",
    "read_flow",
    "read_image",
    "write_flow",
    "write_image",
]

_HOMES = {
    "Estimator": ("estimator", "Estimator"),
    "FlowField": ("flow", "FlowField"),
    "FlowcliError": ("errors", "FlowcliError"),
    "estimate": ("estimator", "estimate"),
    "flow_to_image": ("viz", "render"),
    "read_flow": ("io.flow", "read_flow"),
    "read_image": ("io.image", "read_image"),
    "write_flow": ("io.flow", "write_flow"),
    "write_image": ("io.image", "write_image"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
