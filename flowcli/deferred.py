"""Functions named in tables without being imported: a table of names must not cost what its rows cost.

`flowcli --help` is made from the tables of formats, styles, data sets and methods, and has to answer at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Generic, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Deferred(Generic[Arguments, Result]):
    """A function that is imported when it is first called.

    Attributes:
        name: "module:function", the module in full.
    """

    name: str

    @cached_property
    def function(self) -> Callable[Arguments, Result]:
        """The function itself."""
        module, _, function = self.name.partition(":")
        return getattr(import_module(module), function)

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Call it."""
        return self.function(*args, **kwargs)
