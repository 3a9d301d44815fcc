"""Print the README's commands of one kind: the code blocks whose fence says so (```sh install, ```python python)."""

import re
import sys
from pathlib import Path


def blocks(kind: str) -> list[str]:
    """Return the text of every block of this kind, in order."""
    readme = Path(__file__).resolve().parent.parent / "README.md"
    return re.findall(rf"^```\w+ {kind}\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


if __name__ == "__main__":
    found = blocks(sys.argv[1])
    if not found:
        sys.exit(f"README.md has no block marked {sys.argv[1]!r}")
    sys.stdout.write("".join(found))
