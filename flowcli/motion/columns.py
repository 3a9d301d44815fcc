"""COLUMNS: every number of the motion statistics, with its unit and its formula. Help and README are made from it.

|f| is the length of the flow of a pixel, the diagonal is that of the frame, both in pixels of the original frames; sums
and means run over the pixels whose flow is known. Of a clip, a column is the mean over those of its pairs that are no
scene cut and have it, unless `clip` says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowcli.motion.cut import CONTENT_ALONE, CONTENT_AT_LEAST, SIMILAR_FROM
from flowcli.motion.vbench import FASTEST, FRAMES, PAIRS, PER_SIDE, RATE, SIDE

TEXT, INTEGER, NUMBER, FLAG = "text", "integer", "number", "flag"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: in the header.
        kind: TEXT, INTEGER, NUMBER or FLAG.
        unit: px, s and so on; empty for what has none.
        formula: what it is, for a pair.
        clip: what it is for a clip, None if it is the mean over the pairs; "-" if a clip does not have it.
    """

    name: str
    kind: str
    unit: str
    formula: str
    clip: str | None = None

    @property
    def is_measured(self) -> bool:
        """Whether `measure_motion` gives it; the others say which pair or clip it is."""
        return self.kind in (NUMBER, FLAG) and self.name not in ("time", "duration")


_SAME = "the same"

PAIR_COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("clip", TEXT, "", "name of the clip", _SAME),
        Column("input", TEXT, "", "the file or folder, or the two of a pair", _SAME),
        Column("pair", INTEGER, "", "number of the pair in its clip, from 0", "-"),
        Column("frame", TEXT, "", "name of its first frame", "-"),
        Column("time", NUMBER, "s", "seconds of its first frame after the first of the clip", "-"),
        Column("duration", NUMBER, "s", "seconds from its first frame to its second", "sum over all pairs"),
        Column("width", INTEGER, "px", "of the original frames", _SAME),
        Column("height", INTEGER, "px", "of the original frames", _SAME),
        Column("known", NUMBER, "share", "pixels whose flow is known / all"),
        Column("mean", NUMBER, "px", "mean |f|"),
        Column("median", NUMBER, "px", "median |f|"),
        Column("p95", NUMBER, "px", "95th percentile of |f|"),
        Column("top5", NUMBER, "px", f"mean |f| of the fastest {FASTEST:.0%} of the pixels (VBench)"),
        Column("mean_diagonal", NUMBER, "share", "mean / diagonal (data-juicer's score with relative)"),
        Column("median_diagonal", NUMBER, "share", "median / diagonal"),
        Column("p95_diagonal", NUMBER, "share", "p95 / diagonal"),
        Column("top5_diagonal", NUMBER, "share", "top5 / diagonal"),
        Column("moving", NUMBER, "share", "pixels with |f| > --moving / known ones"),
        Column("u", NUMBER, "px", "mean u, to the right"),
        Column("v", NUMBER, "px", "mean v, down"),
        Column("pan_x", NUMBER, "px", "u of the camera model at the centre of the frame"),
        Column("pan_y", NUMBER, "px", "v of the camera model at the centre"),
        Column("zoom", NUMBER, "factor", "sqrt(det J), J the Jacobian of the model x -> x + f at the centre; > 1: in"),
        Column("roll", NUMBER, "degrees", "atan2(J21 - J12, J11 + J22); > 0: the picture turns clockwise"),
        Column("camera", NUMBER, "share", "pixels that follow the model within max(0.5 px, diagonal / 1000) / known"),
        Column("residual", NUMBER, "px", "mean |f - model|: motion of objects, what the camera leaves"),
        Column("residual_diagonal", NUMBER, "share", "residual / diagonal"),
        Column("residual_moving", NUMBER, "share", "pixels with |f - model| > --moving / known ones"),
        Column("consistent", NUMBER, "share", "pixels on whose flow both directions agree (the check of --occlusion)"),
        Column(
            "similarity",
            NUMBER,
            "",
            "correlation of the grey levels of frame 1 and of frame 2 brought back by the flow",
        ),
        Column("content", NUMBER, "levels", "mean |difference| of hue, saturation and value, 0..255 (PySceneDetect)"),
        Column(
            "scene_cut",
            FLAG,
            "",
            f"similarity < {SIMILAR_FROM:g} and content > {CONTENT_AT_LEAST:g}; without similarity content > "
            f"{CONTENT_ALONE:g}",
            "number of cuts",
        ),
        Column(
            "dynamic",
            FLAG,
            "",
            f"top5 > {PER_SIDE:g} px * shorter side / {SIDE:g} * max(1, {RATE:g} / frame rate) (VBench, with "
            f"--sample-fps {RATE:g})",
            f"at least round({PAIRS} * frames / {FRAMES}) of all pairs are",
        ),
    )
}
CLIP_COLUMNS: dict[str, Column] = {
    "clip": PAIR_COLUMNS["clip"],
    "input": PAIR_COLUMNS["input"],
    "status": Column("status", TEXT, "", "", "ok, or why the clip is not complete"),
    "pairs": Column("pairs", INTEGER, "", "", "number of pairs"),
    **{
        name: column
        for name, column in PAIR_COLUMNS.items()
        if column.clip != "-" and name not in ("clip", "input", "scene_cut")
    },
    "scene_cuts": Column("scene_cuts", INTEGER, "", "", "number of pairs that are a scene cut"),
}
MEASURED = tuple(name for name, column in PAIR_COLUMNS.items() if column.is_measured)


def format_columns() -> str:
    """Return the table as Markdown, as the README has it."""
    lines = ["| column | unit | of a pair | of a clip |", "|---|---|---|---|"]
    together = PAIR_COLUMNS | {name: column for name, column in CLIP_COLUMNS.items() if name not in PAIR_COLUMNS}
    for name, column in together.items():
        clip = "mean" if column.clip is None else column.clip
        if name == "scene_cut":
            clip = "-"
        formula = column.formula.replace("|", "\\|") or "-"
        lines.append(f"| `{name}` | {column.unit} | {formula} | {clip} |")
    return "\n".join(lines)
