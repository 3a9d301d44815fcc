"""Import torch without what only its compilers and exporters need, for a command that estimates on a CPU and ends.

Much of the time of `import torch` goes to modules that no estimate uses: meta kernels and decompositions in Python,
and `torch.export` (`python -X importtime -c "import torch"`). torch has no switch for that. Here they are put off:
modules that wait are in their places, and the first look into one of them, or the import of what builds on them,
loads all of them, in torch's order. More of them (`torch.nested`, `torch.distributions`, `torch.ao`) gain next to
nothing or break on circular imports.

Only a process that is ours gets such a torch, no program that imports flowcli; and only versions of torch that were
tested, on Linux and without a GPU. `tests/runtime/test_torch_import.py` shows that the rest of torch still works.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from threading import RLock
from types import ModuleType

TESTED = ("2.13",)
"""Versions of torch, major and minor, whose modules are known to bear it."""

DEFERRED = ("torch._meta_registrations", "torch.export")
"""Modules that wait."""

BUILT_ON_THEM = ("torch._decomp", "torch._refs", "torch._prims", "torch._dynamo", "torch._inductor")
"""Packages that nothing has loaded then; whoever does expects that those above have run."""

_GPU = Path("/dev/nvidiactl")


def import_torch() -> bool:
    """Import torch, sparingly where that is known to work; say whether it was sparing.

    Torch that is there already is left as it is.
    """
    if "torch" in sys.modules or not _is_tested():
        return False
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        import torch  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except BaseException:
        sys.meta_path.remove(finder)
        raise
    finder.finish()
    return bool(finder.waiting)


def _is_tested() -> bool:
    return sys.platform == "linux" and not _GPU.exists() and _find_version() in TESTED


def _find_version() -> str | None:
    # From the file that torch has for it: nothing of torch runs, and importlib.metadata takes longer.
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return None
    try:
        text = Path(spec.submodule_search_locations[0], "version.py").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = re.search(r"^__version__ = '(\d+\.\d+)\.", text, re.MULTILINE)
    return None if found is None else found[1]


class _Finder(MetaPathFinder, Loader):
    """While torch is imported, makes modules that wait; later, notices who needs them.

    Attributes:
        waiting: modules that have not been run, in the order of their imports.
        is_imported: torch is there.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, _Waiting] = {}
        self.is_imported = False
        self._lock = RLock()
        self._is_loading = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for a module that waits, or for one that came by loading those."""
        if self._is_loading:
            return None
        if self.is_imported:
            if not any(fullname == name or fullname.startswith(f"{name}.") for name in BUILT_ON_THEM):
                return None
            self.load_all()
            there = sys.modules.get(fullname)
            return None if there is None else _present(there)
        real = PathFinder.find_spec(fullname, path) if fullname in DEFERRED else None
        if real is None:
            return None
        spec = ModuleSpec(fullname, self, origin=real.origin)
        spec.loader_state = real
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the module that waits."""
        module = self.waiting[spec.name] = _Waiting(spec.name)
        vars(module)["_finder"] = self
        vars(module)["__file__"] = spec.origin
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Put it off."""

    def finish(self) -> None:
        """Torch is there: make no more modules that wait."""
        self.is_imported = True
        if not self.waiting:
            sys.meta_path.remove(self)

    def load(self, module: _Waiting) -> None:
        """Run a module, and all others that wait."""
        with self._lock:
            if self._is_loading:
                self._run(module.__name__)
            else:
                self.load_all()

    def load_all(self) -> None:
        """Run all modules that wait, in the order of torch's own import, as its circular imports want it."""
        with self._lock:
            self._is_loading = True
            try:
                while self.waiting:
                    self._run(next(iter(self.waiting)))
            finally:
                self._is_loading = False
            if self.is_imported and self in sys.meta_path:
                sys.meta_path.remove(self)

    def _run(self, name: str) -> None:
        module = self.waiting.pop(name, None)
        if module is None:
            return
        spec: ModuleSpec = vars(module)["__spec__"].loader_state
        assert spec.loader is not None
        module.__class__ = ModuleType  # pyright: ignore[reportAttributeAccessIssue]
        del module._finder
        module.__spec__, module.__loader__, module.__package__ = spec, spec.loader, spec.parent
        if spec.submodule_search_locations is not None:
            module.__path__ = spec.submodule_search_locations
        if spec.cached is not None:
            vars(module)["__cached__"] = spec.cached
        spec.loader.exec_module(module)


class _Waiting(ModuleType):
    """A module whose file has not been run."""

    _finder: _Finder

    def __getattr__(self, name: str) -> object:
        finder: _Finder = vars(self)["_finder"]
        if name == "__path__" and not finder.is_imported:
            # The import system asks before it sets it.
            raise AttributeError(name)
        finder.load(self)
        return getattr(self, name)

    def __dir__(self) -> list[str]:
        vars(self)["_finder"].load(self)
        return dir(self)


class _Present(Loader):
    """Hands out a module that another import has loaded while this one was looked for."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return it."""
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Take back what was written into it."""
        module.__spec__ = self._spec


def _present(module: ModuleType) -> ModuleSpec:
    # The import system takes the spec of a module that it finds in its table by now, and would run it again.
    module.__spec__ = spec = ModuleSpec(module.__name__, _Present(module))
    return spec
