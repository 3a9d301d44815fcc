"""What a flow format is: a name, two pure functions between bytes and FlowField, and what is lost in between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowcli.deferred import Deferred
from flowcli.errors import UsageError
from flowcli.io.atomic import write_bytes
from flowcli.io.flow.module import NeedsModule
from flowcli.io.limits import read_bytes

if TYPE_CHECKING:
    from flowcli.flow import FlowField
    from flowcli.io.flow.layout import ArrayChoice


@dataclass(frozen=True)
class FlowFormat(NeedsModule):
    """One row of the table FORMATS.

    Attributes:
        name: short, for messages and tables.
        suffix: with its dot, lower case.
        description: one line: layout and how an unknown pixel is marked.
        encode: FlowField -> bytes of a whole file. Values outside the range are clipped to it, never wrapped.
        decode: (bytes, file name for messages) -> FlowField; raises FormatError. Of a format with `choices` it takes
            an ArrayChoice as a third argument.
        encode_both: (FlowField or None, FlowField or None) -> bytes: to the next frame and to the one before, both on
            the grid of this frame; None if the format has no place for the second.
        step: distance of neighbouring values in pixels; 0 if float32 is kept exactly.
        relative_step: the same as a fraction of the value, for short floats.
        lowest: smallest component that can be stored, in pixels.
        highest: largest component that can be stored, in pixels.
        choices: whether the user may have to say which array is the flow, or in which layout.
        module: Python module that must be installed, or None.
        extra: the extra of flowcli that brings `module`, or None.
    """

    name: str
    suffix: str
    description: str
    encode: Deferred[[FlowField], bytes]
    decode: Deferred[..., FlowField]
    encode_both: Deferred[[FlowField | None, FlowField | None], bytes] | None = None
    step: float = 0.0
    relative_step: float = 0.0
    lowest: float = -math.inf
    highest: float = math.inf
    choices: bool = False
    module: str | None = None
    extra: str | None = None

    @property
    def exact(self) -> bool:
        """Whether float32 values come back bit for bit."""
        return self.step == 0 and self.relative_step == 0

    def read(self, path: str | Path, choice: ArrayChoice | None = None) -> FlowField:
        """Read one file; raises InputError if it cannot be opened and FormatError if its bytes are wrong.

        `choice` says which array is the flow, for files of formats with `choices`; UsageError for others.
        """
        self.check_available()
        return self.decode_chosen(read_bytes(path), str(path), choice)

    def decode_chosen(self, data: bytes, name: str, choice: ArrayChoice | None) -> FlowField:
        """Decode bytes with what the user says of their arrays; raises as `read`."""
        if choice is None or (choice.key is None and choice.layout is None):
            return self.decode(data, name)
        if not self.choices:
            raise UsageError(
                f"{name}: --key and --layout are for arrays (.npy, .npz) and EXR; {self.suffix} says it itself"
            )
        return self.decode(data, name, choice)

    def write(self, path: str | Path, field: FlowField) -> None:
        """Write one file atomically; raises OutputError."""
        self.check_available()
        write_bytes(path, self.encode(field))
