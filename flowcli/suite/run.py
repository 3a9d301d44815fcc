"""Runs the parts of a suite one after the other and gathers what they say."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from flowcli.benchmark.plan import describe_machine
from flowcli.errors import UsageError
from flowcli.suite.commands import measure_batch, measure_start, measure_videos
from flowcli.suite.contestants import MODELS, Contestant, choose_baseline, find_contestants
from flowcli.suite.pairs import measure_errors, measure_sizes
from flowcli.suite.scope import PARTS, SCOPES, Fault, Part, Run, Scope, ScopeName

Announce = Callable[[str], None]
_MEASURES: dict[Part, Callable[[Run, list[Fault], Announce], object]] = {
    "pairs": measure_sizes,
    "errors": measure_errors,
    "video": measure_videos,
    "batch": measure_batch,
    "start": measure_start,
}


@dataclass(frozen=True)
class SuiteRequest:
    """What to measure.

    Attributes:
        scope: name of SCOPES.
        parts: of PARTS, in their order; empty for all.
        models: who takes part, as `find_contestants` takes them; empty for all.
        presets: of the models that have them; empty for all.
        sizes: (height, width) of single pairs in the place of the scope's.
        rounds: in the place of the scope's; None: these.
        pairs: a list of pairs with truth in the place of the rendered benchmark.
        threads: CPU threads; None: each contestant's own choice.
        device: of the networks.
    """

    scope: ScopeName = "quick"
    parts: Sequence[Part] = ()
    models: Sequence[str] = ()
    presets: Sequence[str] = ()
    sizes: Sequence[tuple[int, int]] = ()
    rounds: int | None = None
    pairs: Path | None = None
    threads: int | None = None
    device: str = "auto"

    def choose_scope(self) -> Scope:
        """Return the scope with what is asked for in its place."""
        scope = SCOPES[self.scope]
        if self.sizes:
            scope = replace(scope, sizes=tuple(self.sizes))
        if self.rounds is not None:
            scope = replace(scope, rounds=self.rounds, large_rounds=self.rounds, command_rounds=self.rounds)
        return scope


def run_suite(
    request: SuiteRequest, announce: Announce = lambda text: None, scope: Scope | None = None
) -> dict[str, object]:
    """Run the parts of a request.

    Args:
        request: what to measure.
        announce: is told of each step before it begins.
        scope: another one than the request's.

    Returns:
        Plain values: "machine", "scope", "threads", "baseline", "contestants", "absent", "faults", and each part by its
        name; "minutes" that all of it took. Ratios are to the baseline.

    Raises:
        UsageError: nobody takes part.
        InputError, FormatError: the list of pairs is not as it should be.
        WeightsError: weights are not there.
        EngineError: the inputs could not be made.
    """
    scope = scope or request.choose_scope()
    began = time.monotonic()
    faults: list[Fault] = []
    with TemporaryDirectory(prefix="flowcli-suite-") as name:
        folder = Path(name)
        contestants, absent = find_contestants(request.models or MODELS, request.presets, folder)
        for one in absent:
            announce(f"{one.name} {one.reason}")
        if not contestants:
            raise UsageError("expected somebody to take part, found nobody; name a --model that is here")
        if request.pairs is not None:
            from flowcli.evaluation.pair_list import read_pair_list

            read_pair_list(request.pairs)
        run = Run(scope, contestants, folder, request.pairs, request.threads, request.device)
        wanted: list[Part] = [part for part in PARTS if part in request.parts] or list(PARTS)
        parts = {part: _MEASURES[part](run, faults, announce) for part in wanted}
    return {
        "machine": describe_machine(),
        "scope": request.scope,
        "threads": request.threads,
        "baseline": choose_baseline(contestants).name,
        "contestants": [_describe(one) for one in contestants],
        "absent": [asdict(one) for one in absent],
        **parts,
        "faults": [asdict(fault) for fault in faults],
        "minutes": (time.monotonic() - began) / 60,
    }


def _describe(one: Contestant) -> dict[str, object]:
    # Random weights lie in a folder that is gone by then.
    model = None if one.weights == "random" else one.model
    return asdict(one) | {"model": model, "largest_megapixels": one.largest if one.is_tiled else None}
