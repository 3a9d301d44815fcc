from __future__ import annotations

import pytest

from flowcli.coarse_to_fine.config import PRESETS
from flowcli.estimator import Estimator
from flowcli.methods.footprint import of_coarse_to_fine, of_tiles
from flowcli.runtime.ceiling import MIB

SIZES = [(16, 16), (480, 640), (1080, 1920), (2160, 3840), (4320, 7680)]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("initial", [True, False])
def test_what_does_more_takes_no_less(preset: str, initial: bool) -> None:
    config = PRESETS[preset]
    for size in SIZES:
        one, two = (of_coarse_to_fine(size, False, config, initial, 2, 0).peak(workers) for workers in (1, 2))
        assert one <= two
        assert two <= of_coarse_to_fine(size, True, config, initial, 2, 0).peak(2)
        assert two >= of_coarse_to_fine(size, False, config, False, 2, 0).peak(2)
        assert two <= of_coarse_to_fine(size, False, config, initial, 2, 200 * MIB).peak(2)
    peaks = [of_coarse_to_fine(size, False, config, False, 2, 0).peak(2) for size in SIZES]
    assert peaks == sorted(peaks)


def test_every_named_method_says_what_it_takes_on_a_cpu() -> None:
    for model in ("zero", "dis", "farneback", "variational", "compact"):
        with Estimator(model, device="cpu", threads=2) as estimator:
            small, large = (estimator.footprint(size, both=False) for size in (SIZES[1], SIZES[3]))
            both = estimator.footprint(SIZES[3], both=True)
            assert small and large and both
            # At least the flow itself.
            assert large.peak(2) >= 8 * 2160 * 3840
            assert small.peak(1) < large.peak(1) < 2**30
            assert both.peak(1) > large.peak(1) or model in ("variational", "compact")


def test_tiles_take_what_their_network_takes() -> None:
    assert (
        of_tiles(SIZES[2], False, 2, 300 * MIB).peak(2) - of_tiles(SIZES[2], False, 2, 300 * MIB).peak(1) == 300 * MIB
    )


def test_a_method_that_says_nothing_has_no_plan() -> None:
    class Silent:
        def estimate(self, pairs: object) -> list[object]:
            raise NotImplementedError

    estimator = Estimator(Silent())  # pyright: ignore[reportArgumentType]
    assert estimator.footprint((4, 4), both=False) is None
    estimator.limit_workers(1)
