"""What every item of a batch gets, where it goes, and which of the settings each kind of output depends on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

from flowcli.errors import UsageError
from flowcli.io.flow.storage import PLAIN, FlowStorage
from flowcli.io.frames import Selection
from flowcli.io.frames_resize import Resize
from flowcli.io.image import RangeChoice
from flowcli.motion.options import MotionOptions
from flowcli.output.destination import ROWS_SUFFIX, VIDEO_SUFFIXES, Destination, Form, place_flow
from flowcli.output.plan import FORWARD_MOTION, MOTION, Output, OutputPlan, arrange_outputs, check_storage
from flowcli.output.writer import Appearance

# Pairs per part. A keyframe every 16 frames makes videos of flow 1.5 % larger.
PART = 16


@dataclass(frozen=True)
class BatchSettings:
    """What every item of a batch gets, and how.

    Attributes:
        flow_suffix: of the flow files, or another word of `find_kind`; None for none.
        pair_flow_suffix: the same for two images of a list.
        picture_suffix: of a video, or of the pictures of each pair; None for none.
        backward: frame 2 -> frame 1 as well.
        occlusion: masks too, in the kind of the pictures.
        selection: the frames of each sequence.
        fps: of folders of frames; None for the default.
        resize: the size at which flow is estimated.
        look: how pictures look.
        same_length: as many pairs as frames: the last flow of a sequence once more.
        values: which values of deep images become black and white.
        strict: whether missing frames are an error.
        motion: how motion statistics are made; None for none.
        storage: how flow is stored where its format leaves a choice.
        sound: whether the sound of a film goes beside the pictures made from it.
        confidence: maps of confidence too, in the kind of the pictures.
    """

    flow_suffix: str | None = None
    pair_flow_suffix: str | None = None
    picture_suffix: str | None = None
    backward: bool = False
    occlusion: bool = False
    selection: Selection = field(default_factory=Selection)
    fps: Fraction | None = None
    resize: Resize = field(default_factory=Resize)
    look: Appearance = field(default_factory=Appearance)
    same_length: bool = False
    values: RangeChoice = "auto"
    strict: bool = False
    motion: MotionOptions | None = None
    confidence: bool = False
    storage: FlowStorage = PLAIN
    sound: bool = False

    def check(self) -> None:
        """Raise UsageError for a choice that none of the outputs knows."""
        plans = [self.arrange(Path(), "item", is_pair=is_pair) for is_pair in (False, True)]
        outputs = [output for plan in plans for output in plan.outputs]
        check_storage(OutputPlan(tuple(outputs)))
        if self.sound and not any(output.sound for output in outputs):
            raise UsageError("--audio copy is for videos; ask for them with -v, such as -v mp4")

    def describe(self, output: Output) -> dict[str, object]:
        """Return what the content of an output depends on, besides input and estimator, as plain JSON values."""
        plain = asdict(self)
        for key in ("start", "end"):
            moment = plain["selection"][key]
            if moment is not None:
                # Frame 5 is not second 5.
                value = moment["value"]
                plain["selection"][key] = value if isinstance(value, int) else f"{value} s"
        rate = plain["selection"].pop("sample_fps")
        if rate is not None:
            # Only then, so that journals from before there was a choice still fit.
            plain["selection"]["sample_fps"] = str(rate)
        if plain["look"]["place"] == "auto":
            del plain["look"]["place"]
        fps = None if self.fps is None else str(self.fps)
        return choose_settings(output, plain | {"fps": fps, "values": str(self.values), "part": PART})

    def arrange(self, folder: Path, name: str, *, is_pair: bool) -> OutputPlan:
        """Return the outputs of the item `name` in the output folder."""
        flow, pictures = self.pair_flow_suffix if is_pair else self.flow_suffix, self.picture_suffix
        if is_pair and pictures in VIDEO_SUFFIXES:
            pictures = ".png"
        masks = pictures or (".png" if is_pair else ".mp4")

        def place(stem: str, suffix: str | None) -> Destination | None:
            if suffix is None:
                return None
            if is_pair or suffix in VIDEO_SUFFIXES:
                return Destination(folder / f"{stem}{suffix}", suffix, False)
            return Destination(folder / stem, suffix, True)

        plan = arrange_outputs(
            None if flow is None else place_flow(folder, name, flow, is_pair=is_pair),
            place(f"{name}.flow", pictures),
            place(f"{name}.occlusion", masks if self.occlusion else None),
            backward=self.backward,
            is_pair=is_pair,
            storage=self.storage,
            sound=self.sound,
            confidence=place(f"{name}.confidence", masks if self.confidence else None),
        )
        if self.motion is None:
            return plan
        rows = Destination(folder / f"{name}{ROWS_SUFFIX}", ROWS_SUFFIX, False)
        content = MOTION if self.motion.consistency else FORWARD_MOTION
        return OutputPlan((*plan.outputs, Output(content, rows)))


def choose_settings(output: Output, settings: dict[str, object]) -> dict[str, object]:
    """Return those of the settings of a batch that the content of `output` depends on."""
    keys = ["selection", "fps", "resize", "part", *(["look"] if output.is_drawn else [])]
    if output.content in (MOTION, FORWARD_MOTION):
        keys.append("motion")
    if settings.get("same_length"):
        # Only then, so that journals from before there was a choice still fit.
        keys.append("same_length")
    if settings.get("values", "auto") != "auto":  # journals from before there was a choice have none
        keys.append("values")
    chosen: dict[str, object] = {}
    storage, form = output.storage, output.destination.form
    if output.destination.is_clip:
        chosen = {"layout": storage.layout, "dtype": storage.dtype}
    elif form in (Form.TWO_STREAM, Form.TWO_STREAM_BACKWARD):
        chosen = {"bound": storage.bound}
    if output.sound:
        chosen["sound"] = True
    return chosen | {key: settings[key] for key in keys}
