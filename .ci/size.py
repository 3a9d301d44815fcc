"""Fail when a committed or staged file is larger than the limit and not one of the few that have to be."""

import subprocess
import sys
from pathlib import Path

LIMIT = 512 * 1024
# The embedded weights, and the README's picture of every style.
LARGE = {
    "weights/compact.safetensors": 5_000_000,
    "weights/coarse.safetensors": 5_000_000,
    ".github/pictures/styles.png": 1_000_000,
}


def find_too_large(root: Path, names: list[str]) -> list[str]:
    """Return a line for every file of `names`, relative to `root`, that is beyond its limit."""
    sizes = {name: (root / name).stat().st_size for name in names if (root / name).is_file()}
    return [
        f"{name}: expected at most {LARGE.get(name, LIMIT)} bytes, found {size}; keep large files out of the repository"
        for name, size in sizes.items()
        if size > LARGE.get(name, LIMIT)
    ]


if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    names = sys.argv[1:]
    if not names and (root / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
        names = listed.decode().split("\0")[:-1]
    elif not names:  # an export: everything that came
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
    if found := find_too_large(root, names):
        sys.exit("\n".join(found))
