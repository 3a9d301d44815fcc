"""An estimate into folders goes on where it was interrupted, and gives what it gives without an interruption."""

from contextlib import closing
from fractions import Fraction

import pytest
from batch_runs import Interrupt, results

from flowcli.errors import OutputError, UsageError
from flowcli.estimator import Estimator
from flowcli.io.sources import open_source
from flowcli.jobs.one_input import InputJob
from flowcli.jobs.resume import check_resumable, find_interrupted
from flowcli.jobs.settings import PART, BatchSettings
from flowcli.output.inputs import InputFiles
from flowcli.output.plan import plan_outputs
from flowcli.output.writer import Appearance


@pytest.fixture
def frames(make_folder):
    return make_folder("in", 40)


@pytest.fixture
def run(frames, tmp_path, mean_flow):
    """run(estimator, ...) -> the job, after its end."""

    def run(estimator=None, *, output="out", stop_after=None, resume=True, overwrite=False, scale=5.0, viz=True):
        source = open_source([str(frames)])
        flow, pictures = str(tmp_path / output / "flows"), str(tmp_path / output / "pictures") if viz else None
        plan = plan_outputs(source, f"{flow}/", pictures, None, backward=True, flow_format=None)
        plan.check(source, InputFiles(source.paths), overwrite=overwrite or resume)
        job = InputJob(source, plan, BatchSettings(look=Appearance(scale=scale)))
        with closing(job.run(Estimator(estimator or mean_flow()), overwrite=overwrite, resume=resume)) as pairs:
            for number, _ in enumerate(pairs, 1):
                if number == stop_after:
                    raise Interrupt
        return job

    return run


@pytest.mark.parametrize("stop_after", [1, 15, 16, 17, 32, 38])
def test_it_goes_on_at_its_part_and_ends_the_same(run, mean_flow, tmp_path, stop_after):
    run(output="reference", resume=False)
    with pytest.raises(Interrupt):
        run(stop_after=stop_after, resume=False)
    estimator = mean_flow()
    job = run(estimator)
    assert job.done == 39
    # Forward and backward.
    assert estimator.pairs == 2 * (39 - stop_after // PART * PART)
    assert results(tmp_path / "out") == results(tmp_path / "reference")
    # Nothing but results is left.
    assert {path.name for path in (tmp_path / "out" / "flows").iterdir()} == {f"f{k:03d}.flo" for k in range(39)}


def test_it_may_be_asked_for_from_the_beginning(run, mean_flow, tmp_path):
    estimator = mean_flow()
    assert run(estimator).done == 39
    assert estimator.pairs == 78


def test_the_scale_is_kept(run, mean_flow, tmp_path):
    run(output="reference", scale=None)
    with pytest.raises(Interrupt):
        run(scale=None, stop_after=20)
    run(scale=None)
    assert results(tmp_path / "out") == results(tmp_path / "reference")


def test_other_settings_weights_or_inputs_are_not_mixed_in(run, mean_flow, frames, tmp_path):
    with pytest.raises(Interrupt):
        run(stop_after=20)
    before = results(tmp_path / "out")
    with pytest.raises(OutputError, match=r"is not of an estimate of this input with these settings.*use --overwrite"):
        run(mean_flow("other"))
    with pytest.raises(OutputError, match="pictures/f000"):
        run(scale=7.0)
    (frames / "f003.png").touch()
    with pytest.raises(OutputError, match="is not of an estimate"):
        run()
    assert results(tmp_path / "out") == before
    run(mean_flow("other"), overwrite=True)
    run(mean_flow("other"), output="reference")
    assert results(tmp_path / "out") == results(tmp_path / "reference")


def test_a_result_that_is_complete_is_not_taken_for_an_interrupted_one(run):
    run()
    with pytest.raises(OutputError, match="is not of an estimate"):
        run()


def test_an_interrupted_folder_is_known(run, frames, tmp_path):
    source = open_source([str(frames)])
    plan = plan_outputs(source, str(tmp_path / "out" / "flows") + "/", None, None, backward=True, flow_format=None)
    assert find_interrupted(plan) is None
    with pytest.raises(Interrupt):
        run(stop_after=20)
    assert find_interrupted(plan) == tmp_path / "out" / "flows"
    run()
    assert find_interrupted(plan) is None


def test_what_is_no_folder_cannot_be_continued(frames, make_video, moving_frames, tmp_path):
    source = open_source([str(frames)])
    plan = plan_outputs(source, str(tmp_path / "f/"), str(tmp_path / "x.mp4"), None, backward=False, flow_format=None)
    with pytest.raises(UsageError, match=r"x\.mp4: --resume goes on with folders of files"):
        check_resumable(plan, source)


def test_a_stream_cannot_be_continued(tmp_path):
    import io

    source = open_source(["-"], size=(4, 4), stdin=io.BytesIO(bytes(96)), fps=Fraction(25))
    plan = plan_outputs(source, str(tmp_path / "f/"), None, None, backward=False, flow_format=None)
    with pytest.raises(UsageError, match="an input that can be read again, got a stream"):
        check_resumable(plan, source)
