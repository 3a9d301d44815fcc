"""What went wrong with an item, in one line for the user, and whole in the state folder where it was unexpected."""

from __future__ import annotations

import hashlib
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flowcli.errors import FlowcliError
from flowcli.io.atomic import write_bytes


@dataclass(frozen=True)
class Failed:
    """An item cannot be done; the others are not concerned.

    Attributes:
        reason: one line.
        details: the traceback of an exception that nobody expected.
    """

    reason: str
    details: str | None = None

    @classmethod
    def by(cls, error: BaseException) -> Failed:
        """Describe an exception."""
        if isinstance(error, FlowcliError):
            return cls(" ".join(str(error).split()))
        try:
            text = " ".join(str(error).split())
        except Exception:  # of somebody's own class, whose text cannot be made; the item is at fault, not the batch
            text = "(it has no text)"
        return cls(f"unexpected {type(error).__name__}: {text}", "".join(traceback.format_exception(error)))


def keep_details(failed: Failed, state: Path, item: str) -> str:
    """Return the line for the user, and write the traceback, if there is one, into the state folder."""
    path = _place(state, item)
    if failed.details is None:
        return failed.reason
    try:
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, f"{item}\n{failed.details}".encode("utf-8", "backslashreplace"))
    except (OSError, FlowcliError):
        # It was unexpected already; a full disk must not hide it.
        return failed.reason
    return f"{failed.reason} (traceback in {path})"


def forget_details(state: Path, item: str) -> None:
    """Remove the traceback of an item that is done now."""
    with suppress(OSError):
        _place(state, item).unlink(missing_ok=True)


def _place(state: Path, item: str) -> Path:
    # Not by its name, which may be too long or hold folders.
    return state / "faults" / f"{hashlib.sha256(item.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.txt"
