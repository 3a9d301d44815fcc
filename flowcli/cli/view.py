"""`flowcli view`: one page to look into flow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowcli.cli import options
from flowcli.cli.estimator_options import build_estimator, with_estimator_options
from flowcli.cli.page_options import PAGE, SizeLimit
from flowcli.options import EstimatorOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowcli.cli.view_inputs import ViewInputs
    from flowcli.errors import FlowcliError
    from flowcli.viewer import About, Clip, ViewedPair


@with_estimator_options
def view(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT [INPUT2]",
            help="Flow files (one, a folder or a quoted glob); or frames, whose flow is estimated: two images, a "
            "folder, a glob, a video; or a list of pairs with truth (FILE.csv, as for evaluate). INPUT2: flow to "
            "compare with, another estimate or the truth.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE.html",
            rich_help_panel=options.FILES,
            help="Default: a temporary file, which is opened in the browser.",
        ),
    ] = None,
    frames: Annotated[
        list[str] | None,
        typer.Option(
            "--frames",
            metavar="P",
            rich_help_panel=options.FILES,
            help="The frames that flow files belong to: images (A B), a folder, a glob or a video; one more than flow "
            "files, or the first frame of a single flow.",
        ),
    ] = None,
    start: options.Start = None,
    end: options.End = None,
    stride: options.Stride = 1,
    fps: options.Fps = None,
    resize: options.ResizeTo = None,
    title: Annotated[
        str | None,
        typer.Option("--title", metavar="TEXT", rich_help_panel=PAGE, help="Default: the names of the inputs."),
    ] = None,
    size_limit: SizeLimit = 64,
    occlusion: Annotated[
        bool,
        typer.Option(
            "--occlusion/--no-occlusion",
            rich_help_panel=PAGE,
            help="Estimate both directions, to show what is occluded and how sure the estimate is.",
        ),
    ] = True,
    overwrite: options.Overwrite = False,
    estimator_options: EstimatorOptions = EstimatorOptions(),
) -> None:
    """Look into flow: one self-contained HTML page, which needs no network and can be mailed.

    Read values under the pointer, flicker between frame 1 and the warped frame 2, change colours, play sequences, and
    see where two flows differ.
    """
    from flowcli.cli.console import message, print_result
    from flowcli.cli.view_inputs import read_inputs
    from flowcli.cli.view_pairs import check_limit
    from flowcli.io.atomic import check_writable
    from flowcli.viewer import write_page

    limit = check_limit(size_limit)
    named = read_inputs(inputs, frames or [])
    path = output or _temporary_path(named)
    check_writable(path, overwrite or output is None)
    request = _Request(start, end, stride, fps, resize, occlusion, title, path)
    clip, about = request.gather(named, limit, estimator_options)
    write_page(path, clip, about)
    for note in clip.notes:
        message(note)
    print_result(str(path))
    if request.fault is not None:
        raise request.fault
    if output is None:
        import webbrowser

        if not webbrowser.open(path.resolve().as_uri()):
            message("expected a browser to open the page with, found none; open the file yourself, or name it with -o")


class _Request:
    """What the options say, and from there to a filled page.

    Attributes:
        fault: why the frames ended early, after some pairs; or None.
    """

    def __init__(
        self,
        start: str | None,
        end: str | None,
        stride: int,
        fps: str | None,
        resize: str | None,
        occlusion: bool,
        title: str | None,
        path: Path,
    ) -> None:
        self._selection = options.read_selection(start, end, stride)
        self._fps, self._resize = options.read_fps(fps), options.read_resize(resize)
        self._occlusion, self._title, self._path = occlusion, title, path
        self.fault: FlowcliError | None = None

    def gather(self, named: ViewInputs, limit: int, estimator_options: EstimatorOptions) -> tuple[Clip, About]:
        """Read or estimate what is named."""
        if named.flows:
            return self._from_flows(named, limit)
        if named.pairs is not None:
            return self._from_list(named, limit, estimator_options)
        return self._from_frames(named, limit, estimator_options)

    def _from_flows(self, named: ViewInputs, limit: int) -> tuple[Clip, About]:
        from flowcli.cli.view_pairs import References, read_pairs
        from flowcli.errors import UsageError
        from flowcli.io.flow.listing import list_flows
        from flowcli.io.frames import Selection
        from flowcli.jobs.shots import Shots
        from flowcli.viewer import Clip

        if not named.frames and self._selection != Selection():
            raise UsageError("--start, --end and --stride choose among the frames; name those with --frames")
        paths = list_flows(named.flows)
        shots = Shots(named.frames, len(paths), self._fps, self._selection)
        references = References.open(named.reference, len(paths))
        self._check_inputs([*paths, *references.paths, *shots.paths])
        clip = Clip(limit, len(paths))
        _fill(clip, read_pairs(paths, shots, references, clip), len(paths))
        rows: dict[str, object] = {"flow": ", ".join(named.flows), "frames": ", ".join(named.frames) or "none"}
        return clip, self._about(named, [named.flows[0]], rows, float(shots.fps))

    def _from_frames(self, named: ViewInputs, limit: int, estimator_options: EstimatorOptions) -> tuple[Clip, About]:
        from flowcli.cli.console import message
        from flowcli.cli.view_pairs import References, estimate_viewed
        from flowcli.errors import FormatError, InputError
        from flowcli.io.sources import open_source
        from flowcli.viewer import Clip

        source = open_source(named.frames, selection=self._selection, fps=self._fps)
        for note in source.notes:
            message(note)
        self._resize.target(source.size)
        references = References.open(named.reference, source.count)
        self._check_inputs([*source.paths, *references.paths])
        estimator = build_estimator(estimator_options)
        clip = Clip(limit, source.count)
        pairs = estimate_viewed(source, estimator, references, clip, backward=self._occlusion, resize=self._resize)
        try:
            _fill(clip, pairs, source.count)
        except (InputError, FormatError) as fault:
            # As for estimate: what came before a frame that cannot be read is as good as ever.
            if not clip.kept:
                raise
            self.fault = fault
        rows = {"frames": ", ".join(named.frames), **estimator.settings}
        return clip, self._about(named, [estimator_options.model], rows, float(source.fps))

    def _from_list(self, named: ViewInputs, limit: int, estimator_options: EstimatorOptions) -> tuple[Clip, About]:
        from flowcli.cli.view_pairs import estimate_labelled
        from flowcli.evaluation.pair_list import read_pair_list
        from flowcli.viewer import Clip

        assert named.pairs is not None
        pairs = read_pair_list(named.pairs)
        self._check_inputs([named.pairs])
        estimator = build_estimator(estimator_options)
        clip = Clip(limit, len(pairs))
        _fill(clip, estimate_labelled(pairs, estimator, clip, backward=self._occlusion), len(pairs))
        rows = {"pairs": str(named.pairs), **estimator.settings}
        return clip, self._about(named, [estimator_options.model, "truth"], rows, 1.0)

    def _about(self, named: ViewInputs, labels: list[str], rows: dict[str, object], fps: float) -> About:
        from flowcli.viewer import About

        if named.reference is not None:
            labels = [Path(labels[0]).name or labels[0], Path(named.reference).name or named.reference]
            if labels[0] == labels[1]:
                labels = [*named.flows, named.reference]
            rows["compared with"] = named.reference
        else:
            labels = [Path(labels[0]).name or labels[0], *labels[1:]]
        return About(self._title or named.title, labels, rows, fps)

    def _check_inputs(self, paths: list[Path]) -> None:
        from flowcli.output.destination import Destination
        from flowcli.output.inputs import InputFiles

        InputFiles(paths).check(Destination(self._path, self._path.suffix, is_folder=False))


def _fill(clip: Clip, pairs: Iterable[ViewedPair | None], count: int | None) -> None:
    from flowcli.cli.console import progress
    from flowcli.cli.view_pairs import collect

    collect(clip, progress(pairs, total=count, description="view"))


def _temporary_path(named: ViewInputs) -> Path:
    import re
    import tempfile

    stem = re.sub(r"[^\w.-]+", "-", named.title)[:60].strip("-") or "flow"
    return Path(tempfile.mkdtemp(prefix="flowcli-view-")) / f"{stem}.html"
