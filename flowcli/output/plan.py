"""Which outputs a sequence gets and where they go, checked before any work is done."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from flowcli.errors import UsageError
from flowcli.io.flow import FORMATS, two_stream
from flowcli.io.flow.clips import CLIP_FORMATS
from flowcli.io.flow.storage import PLAIN, FlowStorage
from flowcli.io.image import PICTURE_SUFFIXES
from flowcli.io.sources import FrameSource
from flowcli.output.destination import VIDEO_SUFFIXES, Destination, Form, flow_destination, picture_destination
from flowcli.output.inputs import InputFiles

# The word in the names of files for the flow from frame 2 to frame 1.
BACKWARD = "backward"
# What an output shows.
FLOW, BACKWARD_FLOW = "flow", f"flow.{BACKWARD}"
# Of a frame: to the next one and to the one before, in one file.
BOTH_FLOWS = "flow.both"
PICTURES, BACKWARD_PICTURES = "pictures", f"pictures.{BACKWARD}"
OCCLUSION = "occlusion"
CONFIDENCE = "confidence"
# Motion statistics, of both directions or of the forward flow alone.
MOTION, FORWARD_MOTION = "motion", "motion.forward"


@dataclass(frozen=True)
class Output:
    """One output of a sequence.

    Attributes:
        content: what it shows, one of the words above.
        destination: where it goes.
        storage: how flow is stored where its format leaves a choice.
        sound: whether the sound of the film goes beside the pictures of a video.
    """

    content: str
    destination: Destination
    storage: FlowStorage = PLAIN
    sound: bool = False

    @property
    def kind(self) -> str:
        """Content and suffix, such as `flow.flo` or `pictures.backward.mp4`: outputs of two kinds share no file."""
        form = {Form.CLIP: ".clip", Form.TWO_STREAM: ".xy", Form.TWO_STREAM_BACKWARD: ".xy"}
        return f"{self.content}{form.get(self.destination.form, '')}{self.destination.suffix}"

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
    def needs_pair_before(self) -> bool:
        """Whether the flow from frame 2 to frame 1 of the pair before a pair belongs to its files."""
        return any(output.content == BOTH_FLOWS for output in self.outputs)

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
            if not (source.is_pair or destination.is_folder or destination.is_joined):
                raise UsageError(
                    f"{destination.path}: a sequence gives one {destination.suffix} file per pair; "
                    f"name a folder instead, such as {destination.path.with_suffix('')}/"
                )
        self.check_apart()
        names = [source.name(k) for k in range(source.count or 0)]
        for destination in places:
            inputs.check(destination, (file for name in names for file in destination.files(name)))
        for output in self.outputs:
            if output.sound:
                from flowcli.io.video.sound import check_sound

                check_sound(_find_film(source), output.destination.path)
        for destination in places:
            destination.check(names, overwrite=overwrite)

    def check_apart(self) -> None:
        """Raise UsageError if two outputs would be one file."""
        places = [destination for destination in self.destinations if not destination.is_stream]
        # By their real places: a link to a folder is that folder.
        files = [[os.path.realpath(file) for file in d.files("")] for d in places]
        counts = Counter(file for together in files for file in together)
        for destination, together in zip(places, files, strict=True):
            if any(counts[file] > 1 for file in together):
                raise UsageError(f"{destination.path}: named for two outputs; give each its own name")


def _find_film(source: FrameSource) -> Path:
    if source.begins is None:
        raise UsageError(f"{source.stem}: --audio copy needs a film as input; images and streams have no sound")
    return source.paths[0]


def arrange_outputs(
    flow: Destination | None,
    pictures: Destination | None,
    occlusion: Destination | None,
    *,
    backward: bool,
    is_pair: bool = True,
    storage: FlowStorage = PLAIN,
    sound: bool = False,
    confidence: Destination | None = None,
) -> OutputPlan:
    """Return the plan with these outputs, None for what is not wanted.

    Args:
        flow: of frame 1 to frame 2.
        pictures: of it.
        occlusion: masks.
        backward: flow and pictures of frame 2 to frame 1 as well. In a sequence, a format with a place for both has
            both of each frame: to the next one, and to the one before.
        is_pair: whether the input is two images, each of which has a flow of its own.
        storage: how flow is stored where its format leaves a choice.
        sound: whether the sound of the film goes beside the pictures of videos.
        confidence: maps of how well both directions agree.
    """
    together = backward and not is_pair and flow is not None and holds_both(flow)
    rows = [(BOTH_FLOWS if together else FLOW, flow), (PICTURES, pictures)]
    if backward:
        rows += [(BACKWARD_FLOW, None if together else flow and flow.variant(BACKWARD))]
        rows += [(BACKWARD_PICTURES, pictures and pictures.variant(BACKWARD))]
    rows += [(OCCLUSION, occlusion), (CONFIDENCE, confidence)]
    return OutputPlan(
        tuple(Output(content, place, storage, sound and place.is_video) for content, place in rows if place is not None)
    )


def holds_both(flow: Destination) -> bool:
    """Return whether a file for flow has a place for the way to the next frame and that to the one before."""
    row = FORMATS.get(flow.suffix)
    return flow.form is Form.PLAIN and row is not None and row.encode_both is not None


def plan_outputs(
    source: FrameSource,
    flow: str | None,
    pictures: str | None,
    occlusion: str | None,
    *,
    backward: bool,
    flow_format: str | None,
    storage: FlowStorage = PLAIN,
    sound: bool = False,
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
        flow_format: what `find_kind` knows, for the files in a flow folder; None for .flo.
        storage: how flow is stored where its format leaves a choice.
        sound: whether the sound of the film goes beside the pictures.

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
    kind = find_kind(flow_format or "flo")
    destination = None if flow is None else flow_destination(flow, kind, is_pair=source.is_pair)
    if flow_format is not None and (destination is None or not destination.is_folder):
        raise UsageError(f"--format {flow_format} is for the files in a folder; name one with -o, such as -o flows/")
    plan = arrange_outputs(
        destination,
        None if pictures is None else picture_destination(pictures),
        None if occlusion is None else picture_destination(occlusion),
        backward=backward,
        is_pair=source.is_pair,
        storage=storage,
        sound=sound,
        confidence=None if confidence is None else picture_destination(confidence),
    )
    check_storage(plan)
    if sound and not any(output.sound for output in plan.outputs):
        raise UsageError("--audio copy is for videos; name one with -v, such as -v flow.mp4")
    return plan


def check_storage(plan: OutputPlan) -> None:
    """Raise UsageError for a choice that no output of the plan knows."""
    outputs = [output for output in plan.outputs if output.content in (FLOW, BACKWARD_FLOW, BOTH_FLOWS)]
    storage = next((output.storage for output in plan.outputs), PLAIN)
    if (storage.layout, storage.dtype) != (PLAIN.layout, PLAIN.dtype) and not any(
        output.destination.is_clip for output in outputs
    ):
        names = ", ".join(row.suffix for row in CLIP_FORMATS.values())
        raise UsageError(f"--layout and --dtype are for one array of all flow ({names}); a .half.exr has 16-bit floats")
    two_stream_forms = (Form.TWO_STREAM, Form.TWO_STREAM_BACKWARD)
    if storage.bound != PLAIN.bound and not any(output.destination.form in two_stream_forms for output in outputs):
        raise UsageError(f"--bound is for --format {two_stream.NAME}")


def find_kind(flow_format: str) -> str:
    """Return the kind of flow files that a name means: a suffix of FORMATS, or a name of what has its own form.

    Raises:
        UsageError: it means none; the message lists the names.
    """
    wanted = flow_format.lower()
    for row in FORMATS.values():
        if wanted in (row.name, row.suffix, row.suffix.lstrip(".")):
            return row.suffix
    for row in CLIP_FORMATS.values():
        if wanted in (row.name, row.suffix):
            row.check_available()
            return row.name
    if wanted == two_stream.NAME:
        return two_stream.NAME
    raise UsageError(f"expected a flow format of {', '.join(list_kinds())}, got '{flow_format}'")


def find_suffix(flow_format: str) -> str:
    """Return the suffix for one flow file of a format, given its name or its suffix.

    Raises:
        UsageError: it is no format of single flow files; the message lists them.
    """
    for row in FORMATS.values():
        if flow_format.lower() in (row.name, row.suffix, row.suffix.lstrip(".")):
            return row.suffix
    raise UsageError(
        f"expected a flow format of {', '.join(row.name for row in FORMATS.values())}, got '{flow_format}'"
    )


def list_kinds() -> list[str]:
    """Return the names that `find_kind` knows."""
    return [*(row.name for row in FORMATS.values()), *CLIP_FORMATS, two_stream.NAME]


def find_batch_picture_suffix(name: str) -> str:
    """Return the suffix for `mp4`, `png` and the like, with or without a dot; raises UsageError that lists them.

    GIF is left out: its frames share nothing that segments could be joined by.
    """
    known = (*(suffix for suffix in VIDEO_SUFFIXES if suffix != ".gif"), *PICTURE_SUFFIXES)
    suffix = f".{name.lower().lstrip('.')}"
    if suffix not in known:
        raise UsageError(f"expected a picture format of {', '.join(s.lstrip('.') for s in known)}, got '{name}'")
    return suffix
