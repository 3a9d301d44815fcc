"""`flowcli info`: what is installed and what this machine offers; or what a flow file, image or video holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowcli.cli import format_options, options

# Distribution -> what needs it; the optional ones are named with the extra that brings them.
_DISTRIBUTIONS = {
    "torch": "network",
    "numpy": "arrays",
    "opencv-python": "images",
    "av": "video",
    "safetensors": "weights",
    "h5py": "flowcli[spring]",
    "pillow_heif": "flowcli[heif]",
    "OpenEXR": "flowcli[exr]",
}


def info(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="A flow file, image, video, checkpoint or folder; without it, about flowcli itself."
        ),
    ] = None,
    key: format_options.ArrayKey = None,
    layout: format_options.ArrayLayout = None,
    json: options.Json = False,
) -> None:
    """Show versions, devices and weights; or with FILE what a file or a folder holds."""
    from flowcli.cli.console import print_json, print_result
    from flowcli.cli.info_file import describe_file

    facts = (
        _describe_installation() if file is None else describe_file(file, format_options.read_array_choice(key, layout))
    )
    if json:
        print_json(facts)
        return
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        for number, line in enumerate(lines or ["none"]):
            label = key.replace("_", " ") if number == 0 else ""
            print_result(f"{label:<{width}}  {_as_text(line)}")


def _as_text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return "  ".join(f"{key}={_as_text(item)}" if key != "name" else str(item) for key, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _describe_installation() -> dict[str, object]:
    import os
    import platform

    from flowcli import __version__
    from flowcli.io.flow import FORMATS
    from flowcli.runtime.device import list_devices

    return {
        "flowcli": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "packages": [
            {"name": name, "version": _find_version(name), "for": use} for name, use in _DISTRIBUTIONS.items()
        ],
        "processors": os.cpu_count() or 1,
        "devices": list_devices(),
        "kernels": _describe_kernels(),
        "weights": _list_weights(),
        "flow_formats": [
            {"name": row.suffix, "available": row.available, "holds": row.description} for row in FORMATS.values()
        ],
        "video_codecs": _list_video_codecs(),
    }


def _find_version(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def _describe_kernels() -> dict[str, object]:
    from flowcli.kernels.processor import list_levels
    from flowcli.kernels.store import find_kernels

    if found := find_kernels():
        return {"name": found[0].name, "path": str(found[1])}
    return {"name": "torch", "to_compile": "flowcli compile" if list_levels() else "not on this processor"}


def _list_weights() -> list[dict[str, object]]:
    from flowcli.checkpoints.manifest import KNOWN
    from flowcli.checkpoints.store import locate
    from flowcli.errors import WeightsError

    found: list[dict[str, object]] = []
    for name in KNOWN:
        try:
            path = locate(name)
        except WeightsError:
            found.append({"name": name, "path": "not here"})
        else:
            found.append({"name": name, "path": str(path), "megabytes": round(path.stat().st_size / 1e6, 1)})
    return found


def _list_video_codecs() -> list[dict[str, object]]:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    from flowcli.io.video.formats import VIDEO_FORMATS

    codecs: list[dict[str, object]] = []
    for suffix, row in VIDEO_FORMATS.items():
        try:
            available = bool(Codec(row.codec, "w").name)
        except UnknownCodecError:
            available = False
        codecs.append({"name": suffix, "encoder": row.codec, "available": available})
    return codecs
