"""Which outputs a sequence gets and where they go, checked before any work is done."""

from __future__ import annotations

import os
from dataclasses import dataclass

from flowcli.errors import UsageError
from flowcli.io.flow import FORMATS
from flowcli.io.image import PICTURE_SUFFIXES
from flowcli.io.sources import FrameSource
from flowcli.output.destination import VIDEO_SUFFIXES, Destination, flow_destination, picture_destination
from flowcli.output.inputs import InputFiles

# The word in the names of files for the flow from frame 2 to frame 1.
BACKWARD = "backward"
# What an output shows.
FLOW, BACKWARD_FLOW = "flow", f"flow.{BACKWARD}"
PICTURES, BACKWARD_PICTURES = "pictures", f"pictures.{BACKWARD}"
OCCLUSION = "occlusion"
CONFIDENCE = "confidence"
# Motion statistics, of both directions or of the forward flow alone.
MOTION, FORWARD_MOTION = "motion", "motion.forward"


@dataclass(frozen=True)
class Output:
    """One output of a sequence: what it shows (one of the words above), and where it goes."""

    content: str
    destination: Destination

    @property
    def kind(self) -> str:
        """Content and suffix, such as `flow.flo` or `pictures.backward.mp4`: outputs of two kinds share no file."""
        return f"{self.content}{self.destination.suffix}"

    @property
    def is_drawn(self) -> bool:
        """Whether its look depends on style and scale."""
        return self.content in (PICTURES, BACKWARD_PICTURES)


@dataclass(frozen=True)
class OutputPlan:
    """The outputs of one sequence, in the order in which they are listed."""

    outputs: tuple[Output, ...]

    @property
    def needs_backward(self) -> bool:
        """Whether the flow from frame 2 to frame 1 has to be estimated."""
        return any(output.content not in (FLOW, PICTURES, FORWARD_MOTION) for output in self.outputs)

    @property
    def has_pictures(self) -> bool:
        """Whether a scale for colours is needed."""
        return any(output.is_drawn for output in self.outputs)

    @property
    def destinations(self) -> list[Destination]:
        """Every destination, those of the backward flow included."""
        return [output.destination for output in self.outputs]

    @property
    def has_stream(self) -> bool:
        """Whether an output goes to standard output."""
        return any(destination.is_stream for destination in self.destinations)

    def check(self, source: FrameSource, inputs: InputFiles, *, overwrite: bool) -> None:
        """Raise a FlowcliError if the outputs do not fit the source or cannot be written; makes folders.

        Args:
            source: the sequence.
            inputs: the files that it is read from.
            overwrite: whether files that are there already may be replaced.

        Raises:
            UsageError: one file for a whole sequence, or one file for two outputs, or for input and output.
            OutputError: a file exists already, or cannot be written.
        """
        streams = [destination for destination in self.destinations if destination.is_stream]
        if len(streams) > 1 or (streams and any(".backward" in output.content for output in self.outputs)):
            raise UsageError("standard output takes one kind of result; name files for the others, --backward included")
        places = [destination for destination in self.destinations if not destination.is_stream]
        for destination in places:
            if not (source.is_pair or destination.is_folder or destination.is_video):
                raise UsageError(
                    f"{destination.path}: a sequence gives one {destination.suffix} file per pair; "
                    f"name a folder instead, such as {destination.path.with_suffix('')}/"
                )
        # By their real places: a link to a folder is that folder.
        files = [os.path.realpath(d.file("")) for d in places]
        for destination, file in zip(places, files, strict=True):
            if files.count(file) > 1:
                raise UsageError(f"{destination.path}: named for two outputs; give each its own name")
        names = [source.name(k) for k in range(source.count or 0)]
        for destination in places:
            inputs.check(destination, (destination.file(name) for name in names))
        for destination in places:
            destination.check(names, overwrite=overwrite)


def arrange_outputs(
    flow: Destination | None,
    pictures: Destination | None,
    occlusion: Destination | None,
    *,
    backward: bool,
    confidence: Destination | None = None,
) -> OutputPlan:
    """Return the plan with these outputs, None for what is not wanted; `backward` adds flow and pictures back."""
    rows = [(FLOW, flow), (PICTURES, pictures)]
    if backward:
        rows += [(BACKWARD_FLOW, flow and flow.variant(BACKWARD))]
        rows += [(BACKWARD_PICTURES, pictures and pictures.variant(BACKWARD))]
    rows += [(OCCLUSION, occlusion), (CONFIDENCE, confidence)]
    return OutputPlan(tuple(Output(content, place) for content, place in rows if place is not None))


def plan_outputs(
    source: FrameSource,
    flow: str | None,
    pictures: str | None,
    occlusion: str | None,
    *,
    backward: bool,
    flow_format: str | None,
    confidence: str | None = None,
) -> OutputPlan:
    """Return the outputs that the user asked for, or the default ones in the current folder.

    Args:
        source: what will be estimated; its stem names the default outputs.
        flow: `-o` as typed.
        pictures: `-v` as typed.
        occlusion: `--occlusion` as typed.
        backward: whether flow and pictures of frame 2 -> frame 1 are wanted too.
        confidence: `--confidence` as typed.
        flow_format: name or suffix of a row of FORMATS for the files in a flow folder; None for .flo.

    Raises:
        UsageError: an unknown suffix or format, or a format for something that is no folder.
        InputError: a format whose Python module is not installed.
    """
    # Masks alone may be wanted; a backward flow is wanted as flow or picture.
    if flow is None and pictures is None and (backward or (occlusion is None and confidence is None)):
        if source.is_pair:
            flow, pictures = f"{source.stem}.flo", f"{source.stem}.flow.png"
        else:
            pictures = f"{source.stem}.flow.mp4"
    destination = None if flow is None else flow_destination(flow, find_suffix(flow_format or "flo"))
    if flow_format is not None and (destination is None or not destination.is_folder):
        raise UsageError(f"--format {flow_format} is for the files in a folder; name one with -o, such as -o flows/")
    return arrange_outputs(
        destination,
        None if pictures is None else picture_destination(pictures),
        None if occlusion is None else picture_destination(occlusion),
        backward=backward,
        confidence=None if confidence is None else picture_destination(confidence),
    )


def find_suffix(flow_format: str) -> str:
    """Return the suffix of a row of FORMATS, given its name or its suffix; raises UsageError that lists the names."""
    for row in FORMATS.values():
        if flow_format.lower() in (row.name, row.suffix, row.suffix.lstrip(".")):
            return row.suffix
    raise UsageError(
        f"expected a flow format of {', '.join(row.name for row in FORMATS.values())}, got '{flow_format}'"
    )


def find_batch_picture_suffix(name: str) -> str:
    """Return the suffix for `mp4`, `png` and the like, with or without a dot; raises UsageError that lists them.

    GIF is left out: its frames share nothing that segments could be joined by.
    """
    known = (*(suffix for suffix in VIDEO_SUFFIXES if suffix != ".gif"), *PICTURE_SUFFIXES)
    suffix = f".{name.lower().lstrip('.')}"
    if suffix not in known:
        raise UsageError(f"expected a picture format of {', '.join(s.lstrip('.') for s in known)}, got '{name}'")
    return suffix
