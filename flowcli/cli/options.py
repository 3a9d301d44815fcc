"""Options that several commands share: one Annotated type each, and how their text is read.

Only typer and the standard library at module level: `--help` must not wait for anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from flowcli.cli.limits import check_jobs, check_memory, check_threads
from flowcli.io.flow import FORMATS, two_stream
from flowcli.io.flow.clips import CLIP_FORMATS
from flowcli.io.pictures import PICTURE_FORMATS
from flowcli.io.video.formats import VIDEO_FORMATS
from flowcli.viz.styles import LEGEND_PLACES, STYLES

if TYPE_CHECKING:
    from fractions import Fraction

    from flowcli.io.frames import Moment, Selection
    from flowcli.io.frames_resize import Resize
    from flowcli.io.image.range import RangeChoice
    from flowcli.jobs.shard import Shard

Value = TypeVar("Value")

FILES = "Input and output"
FRAMES = "Frames"
PICTURES = "Pictures"
MODEL = "Model"
SPEED = "Speed and memory"

FORMAT_NAMES = ", ".join((*(row.name for row in FORMATS.values()), two_stream.NAME))
CLIP_SUFFIXES = " ".join(row.suffix for row in CLIP_FORMATS.values())
PICTURES_OF_A_PAIR = " ".join(PICTURE_FORMATS)
JOINED_VIDEOS = ", ".join(suffix.lstrip(".") for suffix in VIDEO_FORMATS if suffix != ".gif")

if TYPE_CHECKING:
    Style = LegendPlace = str
else:
    Style, LegendPlace = Literal[tuple(STYLES)], Literal[LEGEND_PLACES]

InputsOrPairs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT...",
        help="Two images, a folder of frames, a quoted glob, frame_%03d.png, a list in a .txt, one video, - for Y4M or "
        "raw RGB24 on stdin; s3://, gs:// and https:// too.",
    ),
]
FlowPath = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="P",
        rich_help_panel=FILES,
        help=f"Flow data: {' '.join(FORMATS)} (.png is KITTI's), a folder/ with a file per pair, or - for a stream; "
        f"{CLIP_SUFFIXES} for all flow of a sequence in one array.",
    ),
]
VizPath = Annotated[
    str | None,
    typer.Option(
        "-v",
        "--viz",
        metavar="P",
        rich_help_panel=FILES,
        help=f"Pictures: {PICTURES_OF_A_PAIR} for a pair; {' '.join(VIDEO_FORMATS)} or a folder/ for a sequence; - for "
        "a stream (y4m).",
    ),
]
OcclusionPath = Annotated[
    str | None,
    typer.Option(
        "--occlusion",
        metavar="P",
        rich_help_panel=FILES,
        help="Masks of what is hidden in frame 2 (white), by the forward-backward check; suffixes as --viz.",
    ),
]
FlowFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        rich_help_panel=FILES,
        help=f"Flow files in a folder: {FORMAT_NAMES}. Default flo.",
    ),
]
BatchInputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Videos, folders (searched for videos and folders of frames), lists in a .txt, CSV lists with columns "
        "frame1,frame2; s3://, gs:// and https:// too.",
    ),
]
BatchFolder = Annotated[
    str, typer.Option("-o", "--output", metavar="DIR", rich_help_panel=FILES, help="Folder for the results.")
]
BatchOcclusion = Annotated[
    bool, typer.Option("--occlusion", rich_help_panel=FILES, help="Write masks of what is hidden in frame 2.")
]
BatchOverwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        rich_help_panel=FILES,
        help="Replace results of other settings, and files that are in the way; each stays until its replacement is "
        "complete.",
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        metavar="N",
        rich_help_panel=SPEED,
        callback=check_jobs,
        help="Inputs at a time; they share the CPU.",
    ),
]
ShardOf = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        rich_help_panel=SPEED,
        help="Do every N-th input, from the I-th on. One run per machine, all with the same inputs and one folder -o "
        "that they share, does the whole batch.",
    ),
]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going/--stop", rich_help_panel=FILES, help="What to do after a bad input.")
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start", metavar="FRAME|TIME", rich_help_panel=FRAMES, help="First frame: 120, or a time: 4.5s, 1:02:03."
    ),
]
End = Annotated[
    str | None,
    typer.Option("--end", metavar="FRAME|TIME", rich_help_panel=FRAMES, help="Frame or time to stop before."),
]
Stride = Annotated[
    int, typer.Option("--stride", min=1, metavar="N", rich_help_panel=FRAMES, help="Take every N-th frame.")
]
SameLength = Annotated[
    bool,
    typer.Option(
        "--same-length",
        rich_help_panel=FRAMES,
        help="As many results as frames: repeat the last flow. N frames have N-1 flows between them.",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        rich_help_panel=FRAMES,
        help="Frames missing by number, and files in a folder that are no frames, are an error.",
    ),
]
Range = Annotated[
    str,
    typer.Option(
        "--range",
        metavar="LOW:HIGH|auto|full",
        rich_help_panel=FRAMES,
        help="Values of images with more than 8 bits that become black and white: auto takes those that the sequence "
        "uses, full all that the file could hold.",
    ),
]
Size = Annotated[
    str | None,
    typer.Option("--size", metavar="WxH", rich_help_panel=FRAMES, help="Size of raw frames on stdin, in pixels."),
]
Fps = Annotated[
    str | None,
    typer.Option(
        "--fps",
        metavar="RATE",
        rich_help_panel=FRAMES,
        help="Frames per second of images and raw frames, such as 30 or 30000/1001. Default 25; videos know their own.",
    ),
]
ResizeTo = Annotated[
    str | None,
    typer.Option(
        "--resize",
        metavar="WxH|FACTOR",
        rich_help_panel=FRAMES,
        help="Estimate at another size; the flow is returned in the pixels of the original frames.",
    ),
]
StyleName = Annotated[Style, typer.Option("--style", rich_help_panel=PICTURES, help="How flow is drawn.")]
Scale = Annotated[
    float | None,
    typer.Option(
        "--scale",
        metavar="PX",
        rich_help_panel=PICTURES,
        help="Flow length with the full colour, in pixels. Default: one scale for the whole sequence.",
    ),
]
Legend = Annotated[bool, typer.Option("--legend", rich_help_panel=PICTURES, help="Draw a key to the colours.")]
LegendAt = Annotated[
    LegendPlace,
    typer.Option("--legend-at", rich_help_panel=PICTURES, help="Where the key stands; anything but auto draws it."),
]
Backward = Annotated[
    bool, typer.Option("--backward", rich_help_panel=FILES, help="Estimate frame 2 -> frame 1 as well (NAME.backward).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", rich_help_panel=FILES, help="Replace files that exist.")]
Resume = Annotated[
    bool,
    typer.Option("--resume", rich_help_panel=FILES, help="Go on where an interrupted estimate into folders stopped."),
]
Json = Annotated[bool, typer.Option("--json", rich_help_panel=FILES, help="Print one JSON object instead of paths.")]

Device = Annotated[
    str, typer.Option("--device", metavar="D", rich_help_panel=SPEED, help="auto, cpu, cuda, cuda:N or mps.")
]
Memory = Annotated[
    float | None,
    typer.Option(
        "--memory",
        metavar="GIB",
        rich_help_panel=SPEED,
        callback=check_memory,
        help="Ceiling for the network's buffers on a GPU, in GiB.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        rich_help_panel=SPEED,
        callback=check_threads,
        help="CPU threads of the network.",
    ),
]


def read_selection(start: str | None, end: str | None, stride: int, sample_fps: str | None = None) -> Selection:
    """Return the frames that --start, --end and --stride or --sample-fps name; raises typer.BadParameter."""
    from flowcli.io.frames import Moment, Selection

    def moment(text: str) -> Moment:
        return Moment.parse(text)

    if sample_fps is not None and stride != 1:
        raise typer.BadParameter("expected either --stride or --sample-fps, got both")
    sampled = read_fps(sample_fps, "--sample-fps")
    return Selection(_read(moment, start, "--start"), _read(moment, end, "--end"), stride, sampled)


def read_size(text: str | None, option: str = "--size") -> tuple[int, int] | None:
    """Return (height, width) of `WxH`; raises typer.BadParameter."""
    return _read(_parse_size, text, option)


def read_range(text: str) -> RangeChoice:
    """Return the range of values that `LOW:HIGH`, `auto` or `full` asks for; raises typer.BadParameter."""
    from flowcli.io.image import parse_range

    def parse(text: str) -> RangeChoice:
        return parse_range(text)

    return _read(parse, text, "--range") or "auto"


def read_shard(text: str | None) -> Shard:
    """Return the part of a batch that `I/N` names; raises typer.BadParameter."""
    from flowcli.jobs.shard import WHOLE, Shard

    def parse(text: str) -> Shard:
        return Shard.parse(text)

    return _read(parse, text, "--shard") or WHOLE


def read_fps(text: str | None, option: str = "--fps") -> Fraction | None:
    """Return the frame rate as a Fraction; raises typer.BadParameter."""
    from fractions import Fraction

    def parse(text: str) -> Fraction:
        # No exponents: 1e99999999 would be computed for minutes.
        rate = Fraction(0)
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?|\d{1,9}/0*[1-9]\d{0,8}", text.strip(), re.ASCII):
            rate = Fraction(text.strip())
        if not 0 < rate <= 10_000:
            raise ValueError(f"expected frames per second such as 30 or 30000/1001, got {text!r}")
        return rate

    return _read(parse, text, option)


def read_resize(text: str | None) -> Resize:
    """Return what `WxH` or `FACTOR` asks for; raises typer.BadParameter."""
    from flowcli.io.frames_resize import Resize

    def parse(text: str) -> Resize:
        if "x" in text.lower():
            return Resize(size=_parse_size(text))
        try:
            factor = float(text)
        except ValueError:
            factor = 0.0
        if not 0 < factor <= 16:
            raise ValueError(f"expected WIDTHxHEIGHT or a factor such as 0.5 (at most 16), got {text!r}")
        return Resize(factor=factor)

    return _read(parse, text, "--resize") or Resize()


def _parse_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text.lower(), re.ASCII)
    if match is None:
        raise ValueError(f"expected WIDTHxHEIGHT such as 640x480, got {text!r}")
    return int(match[2]), int(match[1])


def _read(parse: Callable[[str], Value], text: str | None, option: str) -> Value | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=f"'{option}'") from None
