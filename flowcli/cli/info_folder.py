"""What `flowcli info FOLDER` says: frames, flow files, what a batch made, or a checkpoint in several files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

# Flow files of a folder that are measured, spread evenly.
SAMPLES = 16


def describe_folder(path: Path) -> dict[str, object]:
    """Return what a folder holds, as JSON-able facts.

    Raises:
        InputError: nothing that flowcli reads.
        FormatError: the first frame or a flow file is damaged.
    """
    from flowcli.errors import InputError
    from flowcli.io.flow import FORMATS
    from flowcli.io.frames import list_images
    from flowcli.jobs.plan import VIDEO_SUFFIXES

    names = [one.name.lower() for one in path.iterdir() if one.is_file() and not one.name.startswith(".")]
    kinds = Counter(Path(name).suffix for name in names)
    facts: dict[str, object] = {
        "folder": str(path),
        "files": dict(sorted(kinds.items())),
        "bytes": sum(one.stat().st_size for one in path.iterdir() if one.is_file()),
    }
    batch = _describe_batch(path)
    # Beside other flow files PNG are pictures; alone they are frames, unless their depth says KITTI.
    if any(name.endswith(tuple(suffix for suffix in FORMATS if suffix not in (".png", ".exr"))) for name in names):
        return facts | _describe_flows(path) | batch
    if len(list_images(path)) >= 2:
        return facts | _describe_frames(path) | batch
    if videos := sum(kinds[suffix] for suffix in VIDEO_SUFFIXES):
        return facts | {"holds": "videos", "videos": videos} | batch
    if any(name.endswith((".safetensors.index.json", ".bin.index.json")) for name in names):
        from flowcli.cli.info_checkpoint import describe_checkpoint

        return describe_checkpoint(path)
    if batch:
        return facts | batch
    raise InputError(f"{path}: expected frames, flow files, videos or a checkpoint in the folder, found none of them")


def _describe_frames(path: Path) -> dict[str, object]:
    from flowcli.io.frames import list_images
    from flowcli.io.image import read_header
    from flowcli.io.limits import read_bytes
    from flowcli.io.sources import open_source

    source = open_source([str(path)])
    (height, width), frames = source.size, (source.count or 0) + 1
    first = list_images(path)[0]
    kind, header = read_header(read_bytes(first), str(first))
    return {
        "holds": "frames",
        "format": kind.name,
        "frames": frames,
        "width": width,
        "height": height,
        "depth": header.depth,
        "channels": header.channels,
        "notes": list(source.notes),
    }


def _describe_flows(path: Path) -> dict[str, object]:
    import numpy as np

    from flowcli.io.flow import find_format, read_flow
    from flowcli.io.flow.listing import list_flows

    paths = list_flows([str(path)])
    step = -(-len(paths) // SAMPLES)
    fields = [read_flow(one) for one in paths[step // 2 :: step]]
    lengths = [field.magnitude()[field.known] for field in fields]
    together = np.concatenate(lengths) if lengths else np.zeros(0, np.float32)
    sizes = sorted({f"{field.size[1]}x{field.size[0]}" for field in fields})
    return {
        "holds": "flow",
        "format": ", ".join(sorted({find_format(one).name for one in paths})),
        "flows": len(paths),
        "sizes": sizes,
        "measured": len(fields),
        "known_percent": 100 * together.size / sum(field.size[0] * field.size[1] for field in fields),
        "mean_px": float(together.mean()) if together.size else None,
        "p95_px": float(np.percentile(together, 95)) if together.size else None,
    }


def _describe_batch(path: Path) -> dict[str, object]:
    from flowcli.io.own_results import STATE_FOLDER
    from flowcli.jobs.journal import list_journals, read_ledger

    journals = list_journals(path / STATE_FOLDER)
    if not journals:
        return {}
    done: Counter[str] = Counter()
    open_, faults = 0, 0
    for journal in journals:
        for (_, kind), attempts in read_ledger(journal)[0].attempts.items():
            latest = list(attempts.values())[-1] if attempts else None
            if latest is None or not latest.ended:
                open_ += 1
                continue
            done[kind] += 1
            faults += latest.fault is not None
    return {"holds": "a batch", "results": dict(sorted(done.items())), "unfinished": open_, "with_faults": faults}
