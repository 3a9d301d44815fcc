"""Torch imported sparingly, each time in a process of its own: what waits works once it is needed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires

import pytest
import torch

from flowcli.runtime import torch_import

SPARING = """
import sys
from flowcli.runtime import torch_import
torch_import._is_tested = lambda: True  # also of the version that is here, whichever it is
assert torch_import.import_torch()
absent = [*torch_import.BUILT_ON_THEM, "torch._export"]
assert not set(absent) & sys.modules.keys()
import torch
def is_whole():
    there = [type(sys.modules[name]) is type(sys) for name in torch_import.DEFERRED]
    finders = [finder for finder in sys.meta_path if isinstance(finder, torch_import._Finder)]
    return all(there) and "torch._decomp" in sys.modules and not finders
assert not is_whole()
"""

# What looks into what waits, or builds on it.
NEEDS = {
    "export": "assert callable(torch.export.export)",
    "below export": "import torch.export.graph_signature as below; assert below.ExportGraphSignature",
    "from export": "from torch.export import Dim; Dim('batch')",
    "listing": "assert 'export' in dir(torch.export)",
    "meta kernels": "assert torch._meta_registrations.meta_mm",
    "decompositions": """
import torch._decomp
assert torch._decomp.core_aten_decompositions()
# Run once: what registered itself is in the table that is there.
assert len(torch._decomp.decomposition_table) > 500
assert torch._decomp.__spec__.loader.name == "torch._decomp"
""",
    "references": "import torch._refs.special; assert torch._refs.special.erfcx.__name__ == 'erfcx'",
    "fake tensors": """
from torch._subclasses.fake_tensor import FakeTensorMode
with FakeTensorMode():
    assert (torch.ones(3, 4) @ torch.ones(4, 5)).erfc().shape == (3, 5)
""",
    "compiler": """
compiled = torch.compile(lambda x: (x @ x).relu(), backend="eager", fullgraph=True)
assert torch.equal(compiled(torch.eye(2)), torch.eye(2))
""",
}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("need", NEEDS)
def test_what_waits_works_when_it_is_needed(need: str) -> None:
    run(f"{SPARING}\n{NEEDS[need]}\nassert is_whole()\nassert torch.empty(3, device='meta').uniform_().is_meta")


@pytest.mark.slow
def test_torch_is_the_same_once_all_is_loaded() -> None:
    listing = "print(*sorted(name for name in sys.modules if name.startswith('torch')))"
    whole = run(f"import sys, torch\n{listing}")
    assert run(f"{SPARING}\ndir(torch.export)\n{listing}") == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    "unknown",
    [
        "torch_import.TESTED = ('1.0',)",
        "torch_import._find_version = lambda: None",
        "torch_import.sys = types.SimpleNamespace(**vars(sys) | {'platform': 'win32'})",
        "torch_import._GPU = pathlib.Path('/')",
        "import torch",
    ],
)
def test_torch_is_imported_as_ever_where_the_rest_is_not_known(unknown: str) -> None:
    run(
        f"import pathlib, sys, types\nfrom flowcli.runtime import torch_import\n{unknown}\n"
        "finders = list(sys.meta_path)\nassert not torch_import.import_torch()\nimport torch\n"
        "assert 'torch._decomp' in sys.modules and sys.meta_path == finders"
    )


def test_the_version_is_read_without_importing_torch() -> None:
    version = run(
        "import sys\nfrom flowcli.runtime import torch_import\nprint(torch_import._find_version())\n"
        "assert 'torch' not in sys.modules"
    ).strip()
    assert torch.__version__.startswith(f"{version}.")


def test_the_versions_are_those_that_may_be_installed() -> None:
    # A cap that is lifted asks for a look at the modules of the new version.
    (torch_cap,) = [text for text in requires("flowcli") or [] if text.startswith("torch")]
    newest = max(tuple(map(int, version.split("."))) for version in torch_import.TESTED)
    assert f"<{newest[0]}.{newest[1] + 1}" in torch_cap


@pytest.mark.slow
def test_a_library_gets_the_whole_of_torch() -> None:
    run(
        "import sys, flowcli\nflowcli.Estimator(threads=1)\n"
        "assert 'torch._decomp' in sys.modules and 'torch._export' in sys.modules"
    )
