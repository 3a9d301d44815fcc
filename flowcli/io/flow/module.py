"""Rows of tables whose files need a Python module that is not always installed."""

from __future__ import annotations

import importlib.util

from flowcli.errors import InputError


class NeedsModule:
    """What such rows share.

    Attributes:
        suffix: of the files.
        module: the module's name; None: none is needed.
        extra: the extra of flowcli that brings it.
    """

    suffix: str
    module: str | None
    extra: str | None

    @property
    def available(self) -> bool:
        """Whether the Python module it needs is installed."""
        return self.module is None or importlib.util.find_spec(self.module) is not None

    def check_available(self) -> None:
        """Raise InputError with the install command if the module it needs is missing."""
        if not self.available:
            raise InputError(
                f"{self.suffix} needs the Python module {self.module}, which is not installed; "
                f"run: pip install 'flowcli[{self.extra}]'"
            )
