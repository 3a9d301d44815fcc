"""One input through an estimator into its outputs, as `flowcli estimate` does it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from pathlib import Path

from flowcli.errors import FlowcliError
from flowcli.estimator import Estimator
from flowcli.io.sources import FrameSource
from flowcli.jobs.memory import plan_layout
from flowcli.jobs.resume import SequenceProgress, can_resume
from flowcli.jobs.sequence import PairStream, write_flows
from flowcli.jobs.settings import BatchSettings
from flowcli.output.plan import OutputPlan
from flowcli.output.scale import SequenceScale, choose_sequence_scale
from flowcli.output.stream import ByteStream
from flowcli.output.writer import OutputWriter, PairFlow


class InputJob:
    """The work on one input.

    Attributes:
        done: number of pairs that are written, those of an earlier run included.
        scale: of the pictures.
        fault: why the input ended early, or None.
    """

    def __init__(
        self, source: FrameSource, plan: OutputPlan, settings: BatchSettings, stream: ByteStream | None = None
    ) -> None:
        """Describe it; `settings` says selection, size and look, `stream` is standard output if the plan has it."""
        self._source, self._plan, self._settings, self._stream = source, plan, settings, stream
        self._files: dict[Path, None] = {}
        self.done = 0
        self.scale = SequenceScale(settings.look.scale)
        self.fault: FlowcliError | None = None

    @property
    def files(self) -> list[Path]:
        """Every file of the results, those of an earlier run included."""
        return list(self._files)

    def _note(self, name: str) -> None:
        places = (place for place in self._plan.destinations if not place.is_stream)
        self._files |= dict.fromkeys(place.file(name) for place in places)

    def run(
        self,
        estimator: Estimator,
        *,
        overwrite: bool,
        resume: bool,
        watch: Callable[[PairFlow], None] | None = None,
    ) -> Generator[None, None, None]:
        """Do it; yields after every pair that is written.

        Args:
            estimator: makes the flow.
            overwrite: begin anew, and replace files that are there.
            resume: go on where an earlier run stopped.
            watch: gets every result of this run once it is written, and must not keep it.

        Raises:
            InputError, FormatError: the first pair cannot be read.
            OutputError: the results cannot be written.
            EngineError: the estimator failed.
            UsageError: the ceiling on memory is too low.
        """
        source, plan, settings = self._source, self._plan, self._settings
        model = str(estimator.settings.get("model"))
        depth = plan_layout(estimator, source, plan, settings.resize).depth
        with ExitStack() as stack:
            progress: SequenceProgress | None = None
            if can_resume(plan, source):
                opened = SequenceProgress(plan, source, settings, estimator.settings, resume=resume and not overwrite)
                progress = stack.enter_context(opened)
                self.done = progress.done
                for index in range(self.done):
                    self._note(source.name(index))
                self.scale = SequenceScale(progress.scale or settings.look.scale)
            if self.scale.fixed is None and plan.has_pictures:
                self.scale = choose_sequence_scale(source)
            if progress is not None:
                progress.start(self.scale.fixed)
            if self.done == source.count:
                return
            writer = OutputWriter(
                plan, source, settings.look, self.scale, model, overwrite=overwrite or resume, stream=self._stream
            )
            stream = stack.enter_context(PairStream(source, self.done, depth=depth, leads=plan.needs_pair_before))
            backward, resize = plan.needs_backward, settings.resize
            flows = write_flows(stream.take(), estimator, writer, backward=backward, resize=resize, depth=depth)
            for result in stack.enter_context(closing(flows)):
                self._note(result.pair.name)
                if watch is not None:
                    watch(result)
                del result
                self.done += 1
                if progress is not None:
                    progress.advance(self.done)
                yield
        self.fault = stream.fault
        if self.done == 0 and stream.fault is not None:
            raise stream.fault
