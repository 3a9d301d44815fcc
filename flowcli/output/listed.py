"""Where the results of a list of pairs go: folders with a file for each pair, named after its row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from flowcli.errors import UsageError
from flowcli.io.flow.storage import PLAIN, FlowStorage
from flowcli.output.destination import Destination, Form, flow_destination, picture_destination
from flowcli.output.plan import OutputPlan, arrange_outputs, check_storage, find_kind


def plan_listed(
    flow: str | None,
    pictures: str | None,
    occlusion: str | None,
    confidence: str | None,
    *,
    backward: bool,
    flow_format: str | None,
    storage: FlowStorage = PLAIN,
) -> OutputPlan:
    """Return the folders that the user asked for.

    Args:
        flow: `-o` as typed.
        pictures: `-v` as typed.
        occlusion: `--occlusion` as typed.
        confidence: `--confidence` as typed.
        backward: whether flow and pictures of frame 2 -> frame 1 are wanted too.
        flow_format: what `find_kind` knows; None for .flo.
        storage: how flow is stored where its format leaves a choice.

    Raises:
        UsageError: none, no folders, one folder for two outputs that would be called alike, or an unknown format.
        InputError: a format whose Python module is not installed.
    """
    if flow is None and pictures is None and (backward or (occlusion is None and confidence is None)):
        raise UsageError("--pairs gives files for each pair; name a folder for them, such as -o flows/ or -v pictures/")
    if flow is None and flow_format is not None:
        raise UsageError(f"--format {flow_format} is for flow files; name a folder for them with -o, such as -o flows/")
    plan = arrange_outputs(
        None if flow is None else flow_destination(flow, find_kind(flow_format or "flo"), is_pair=True),
        *(None if text is None else picture_destination(text) for text in (pictures, occlusion)),
        backward=backward,
        is_pair=True,
        storage=storage,
        confidence=None if confidence is None else picture_destination(confidence),
    )
    for place in plan.destinations:
        if not place.is_folder:
            folder = place.path.with_suffix("") if place.path.suffix else "flows"
            raise UsageError(f"{place.path}: --pairs gives a file for each pair; name a folder, such as {folder}/")
    check_storage(plan)
    plan.check_apart()
    return plan


def plan_row(plan: OutputPlan, name: str) -> tuple[OutputPlan, str]:
    """Return the outputs of one row, and what its files are called in their folders.

    Args:
        plan: what `plan_listed` returns.
        name: of the row, a relative path: its folders lie in those of the plan.
    """
    path = PurePosixPath(name)

    def place(destination: Destination) -> Destination:
        # Two grey pictures of every row are called alike.
        two = destination.form in (Form.TWO_STREAM, Form.TWO_STREAM_BACKWARD)
        return replace(destination, path=destination.path / (path if two else path.parent))

    outputs = tuple(replace(output, destination=place(output.destination)) for output in plan.outputs)
    return OutputPlan(outputs), path.name
