"""Addresses in the place of paths, for commands that read inputs and write outputs of one sequence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

_OUTPUTS = ("output", "viz", "occlusion")


def with_remote_files(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with copies in the place of inputs elsewhere, and outputs sent when they are complete.

    Its parameters `inputs`, `output`, `viz` and `occlusion` may be addresses; what it prints is held back until they
    are there.
    """

    @wraps(command)
    def run(**values: Any) -> None:
        outputs = {name: values[name] for name in _OUTPUTS if values.get(name) is not None}
        inputs = values["inputs"] or []
        if not any("://" in text for text in (*inputs, *outputs.values())):
            command(**values)
            return
        from flowcli.cli.console import hold_results
        from flowcli.errors import FlowcliError, UsageError
        from flowcli.io.remote import LocalCopies
        from flowcli.output.remote import RemoteOutputs

        with RemoteOutputs(overwrite=values.get("overwrite", False)) as places:
            values |= {name: places.place(text) for name, text in outputs.items()}
            with LocalCopies(inputs) as copies:
                changed = inputs != copies.inputs or any(values[name] != outputs[name] for name in outputs)
                if values.get("resume") and changed:
                    raise UsageError("--resume goes on with local files; name some, or use flowcli batch")

                def rename(text: str) -> str:
                    return places.rename(copies.rename(text))

                fault: FlowcliError | None = None
                with hold_results(rename) if changed else nullcontext():
                    try:
                        command(**values | {"inputs": copies.inputs or None})
                    except FlowcliError as error:
                        # Of a damaged film what came before the damage is complete; an error before leaves nothing.
                        fault = type(error)(rename(str(error)))
                    places.send()
                if fault is not None:
                    raise fault

    return run
