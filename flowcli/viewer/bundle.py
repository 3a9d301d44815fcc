"""The modules of `page/` as one script: a module becomes a function that returns what it exports.

A subset of ES modules that stays readable: `import { a, b } from "./c.js";` on one line or several, and `export` before
`function`, `async function`, `class` or `const`. Everything else is refused, so that nothing is changed by accident.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

ENTRY = "main.js"
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w.-]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|class|const) (\w+)", re.MULTILINE)
_OTHER = re.compile(r"^\s*(import|export)\b.*", re.MULTILINE)


def read_part(name: str) -> str:
    """Return the text of a file of `page/`."""
    return files("flowcli.viewer").joinpath("page").joinpath(name).read_text(encoding="utf-8")


@cache
def bundle() -> str:
    """Return the text of one module script that runs ENTRY and all it imports, each once and before its users."""
    done: dict[str, str] = {}
    _add(ENTRY, done, ())
    script = "\n".join(done.values())
    if "</script" in script.lower():
        raise ValueError("expected no end of a script element within a script; write it as two strings")
    return script


def _add(name: str, done: dict[str, str], within: tuple[str, ...]) -> None:
    if name in done:
        return
    if name in within:
        raise ValueError(f"{' -> '.join((*within, name))}: expected imports without a circle")
    text = read_part(name)
    for _, other in _IMPORT.findall(text):
        _add(other, done, (*within, name))
    exported = [match[1] for match in _EXPORT.findall(text)]
    text = _EXPORT.sub(r"\1 \2", _IMPORT.sub(lambda match: f"const {{{match[1]}}} = {_variable(match[2])};\n", text))
    if (other := _OTHER.search(text)) is not None:
        raise ValueError(f'{name}: expected import {{ ... }} from "./x.js"; or export const, got {other[0].strip()!r}')
    done[name] = f"// {name}\nconst {_variable(name)} = (() => {{\n{text}return {{ {', '.join(exported)} }};\n}})();"


def _variable(name: str) -> str:
    return "module_" + re.sub(r"\W", "_", name.removesuffix(".js"))
