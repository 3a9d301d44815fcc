"""The forms of the steps that other devices than the CPU take, run on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flowcli.runtime import device


@contextmanager
def forms_of_a_gpu() -> Iterator[None]:
    """Let no device have steps by OpenCV and numpy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "HOST_FORMS", frozenset())
        yield
