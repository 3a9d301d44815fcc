"""`flowcli convert`: flow files from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowcli.cli import format_options, options

if TYPE_CHECKING:
    from flowcli.io.flow.format import FlowFormat
    from flowcli.io.flow.layout import ArrayChoice
    from flowcli.io.flow.loss import Loss


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="A flow file, a folder of them, or a quoted glob.")],
    target: Annotated[
        str, typer.Argument(metavar="OUT", help="A flow file, by suffix; or a folder/ for the same names in --format.")
    ],
    format: options.FlowFormat = None,
    key: format_options.ArrayKey = None,
    layout: format_options.ArrayLayout = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Convert flow files between formats.

    What the new format cannot hold is said on stderr: rounding, clipping, lost validity. Formats are known by suffix;
    a .png is KITTI's 16 bits. `flowcli info` lists them.
    """
    from flowcli.cli.console import message, print_json, print_result, progress
    from flowcli.errors import UsageError
    from flowcli.io.flow import find_format
    from flowcli.io.flow.listing import list_flows, name_results
    from flowcli.io.flow.loss import Loss
    from flowcli.output.destination import flow_destination
    from flowcli.output.inputs import InputFiles
    from flowcli.output.plan import find_suffix

    paths = list_flows([source])
    names = name_results(paths)
    destination = flow_destination(target, find_suffix(format or "flo"))
    if destination.is_clip:
        raise UsageError(f"{target}: expected a file for one flow or a folder/, got one array for all; it is estimated")
    if format is not None and not destination.is_folder:
        raise UsageError(f"--format {format} is for a folder; {target} says its format by its suffix")
    if len(paths) > 1 and not destination.is_folder:
        raise UsageError(f"{target}: expected a folder/ for {len(paths)} flow files, got one file")
    outputs = [destination.file(name) for name in names]
    InputFiles(paths).check(destination, outputs)
    destination.check(names, overwrite=overwrite)
    row = find_format(f"flow{destination.suffix}")
    choice = format_options.read_array_choice(key, layout)
    loss = Loss()
    for path, output in progress(list(zip(paths, outputs, strict=True)), description="convert", unit="file"):
        loss += _convert_file(path, output, row, choice)
    clauses = loss.describe(row)
    if clauses:
        message(f"{destination.path}: {', '.join(clauses)}")
    if json:
        print_json(
            {
                "outputs": [str(destination.path)],
                "files": len(paths),
                "format": row.name,
                "known_pixels": loss.pixels,
                "rounding_px": loss.rounding,
                "clipped_pixels": loss.clipped,
                "changed_validity_pixels": loss.validity,
            }
        )
    else:
        print_result(str(destination.path))


def _convert_file(path: Path, output: Path, row: FlowFormat, choice: ArrayChoice | None) -> Loss:
    from flowcli.io.atomic import write_bytes
    from flowcli.io.flow import find_format
    from flowcli.io.flow.loss import measure_loss

    field = find_format(path).read(path, choice)
    data = row.encode(field)
    # Read back what will be in the file: the loss is measured, not derived.
    loss = measure_loss(field, row.decode(data, str(output)), row)
    write_bytes(output, data)
    return loss
