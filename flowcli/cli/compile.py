"""`flowcli compile`: the network's attentions compiled for this processor."""

from __future__ import annotations

from typing import Annotated

import typer

from flowcli.cli import options


def compile_(
    remove: Annotated[bool, typer.Option("--remove", help="Remove everything that was compiled.")] = False,
    json: options.Json = False,
) -> None:
    r"""Compile the network's attentions and the refinement of flow for this x86 processor.

    Later runs on its CPU use them. Without them torch and OpenCV do it all, as with --kernels
    torch; flow differs by roundings.

    Needs once a C++ compiler: $CXX, c++, g++, clang++, or that of pip install 'flowcli\[kernels]'. Prints the library's
    path, in the folder $FLOWCLI_KERNELS or the user's cache.
    """
    from flowcli.cli.console import print_json, print_result
    from flowcli.kernels.build import compile_kernels
    from flowcli.kernels.store import remove_kernels

    paths = remove_kernels() if remove else [compile_kernels()]
    if json:
        print_json({"removed" if remove else "compiled": [str(path) for path in paths]})
        return
    for path in paths:
        print_result(str(path))
