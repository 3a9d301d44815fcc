import gc
import json
from functools import partial

import numpy as np
import pytest

from flowcli.errors import EngineError, OutputError
from flowcli.io.flow import read_flow
from flowcli.io.frames import Selection
from flowcli.io.sources import expect_pairs
from flowcli.jobs.batch import Batch
from flowcli.jobs.item import PART, BatchSettings
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import plan_batch
from flowcli.output.writer import Appearance

SETTINGS = BatchSettings(".flo", ".flo", ".mp4", look=Appearance(scale=5.0))


class Interrupt(BaseException):
    """Stands for Ctrl-C."""


@pytest.fixture
def folders(make_folder, tmp_path):
    """a with 40 frames: three parts; b with 10."""
    make_folder("in/a", 40)
    make_folder("in/b", 10, first=7)
    return tmp_path / "in"


@pytest.fixture
def run(folders, tmp_path, mean_flow):
    """run(estimator, ...) -> the batch, after its end."""

    def run(estimator=None, *, inputs=None, settings=SETTINGS, output="out", overwrite=False, stop_after=None):
        estimator = estimator or mean_flow()
        items = plan_batch([str(path) for path in (inputs or [folders])], tmp_path / output)
        batch = Batch(items, settings, tmp_path / output, estimator.settings)
        events = batch.run(
            partial(run_here, estimator=estimator),
            lambda item: expect_pairs(item.inputs, settings.selection, None),
            overwrite=overwrite,
        )
        try:
            for number, _ in enumerate(events, 1):
                if number == stop_after:
                    raise Interrupt
        finally:
            events.close()
        return batch

    return run


def results(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".flowcli" not in path.parts
    }


def test_every_input_gets_its_outputs(run, tmp_path, decode, folders):
    batch = run()
    assert [(o.name, o.pairs, o.fault, o.skipped) for o in batch.outcomes] == [
        ("a", 39, None, False),
        ("b", 9, None, False),
    ]
    assert batch.total == batch.done == 48
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [".flowcli", "a", "a.flow.mp4", "b", "b.flow.mp4"]
    assert len(list((out / "a").glob("*.flo"))) == 39
    assert len(decode(out / "a.flow.mp4")) == 39
    assert not (out / ".flowcli" / "segments" / "a").exists()
    from flowcli.io.image import read_image

    frame1, frame2 = (read_image(folders / "b" / f"f{k:03d}.png") for k in (12, 13))
    np.testing.assert_allclose(
        read_flow(out / "b" / "f012.flo").uv[0, 0], (frame1.mean() / 9, frame2.mean() / 9), rtol=1e-6
    )


def test_a_second_run_does_nothing(run, mean_flow, tmp_path):
    run()
    before = results(tmp_path / "out")
    estimator = mean_flow()
    batch = run(estimator)
    assert estimator.pairs == 0
    assert [outcome.skipped for outcome in batch.outcomes] == [True, True]
    assert batch.total == batch.done == 48
    assert results(tmp_path / "out") == before


# Events of a batch: one per start, pair, part and end.
@pytest.mark.parametrize("stop_after", [1, 17, 18, 19, 35, 43, 44, 50])
def test_an_interrupted_batch_continues_at_its_part_and_ends_the_same(run, mean_flow, tmp_path, stop_after):
    run(output="reference")
    first = mean_flow()
    with pytest.raises(Interrupt):
        run(first, stop_after=stop_after)
    second = mean_flow()
    run(second)
    assert results(tmp_path / "out") == results(tmp_path / "reference")
    assert not list((tmp_path / "out").rglob(".flowcli-*"))
    # A part at most is done again, and what was on its way through the stages.
    assert 48 <= first.pairs + second.pairs < 48 + PART + 8


def test_what_changed_is_done_again(run, mean_flow, tmp_path, folders, make_folder):
    run()
    (folders / "b" / "f016.png").unlink()
    estimator = mean_flow()
    batch = run(estimator)
    assert [(o.name, o.pairs, o.skipped) for o in batch.outcomes] == [("a", 39, True), ("b", 8, False)]
    assert estimator.pairs == 8
    # The file of the pair that is no more has gone.
    assert len(list((tmp_path / "out" / "b").iterdir())) == 8


def test_other_settings_or_weights_do_everything_again(run, mean_flow, tmp_path):
    run()
    estimator = mean_flow()
    run(estimator, settings=BatchSettings(".flo", ".flo", ".mp4", look=Appearance(scale=9.0)))
    assert estimator.pairs == 48
    other = mean_flow("other weights")
    run(other, settings=BatchSettings(".flo", ".flo", ".mp4", look=Appearance(scale=9.0)))
    assert other.pairs == 48
    run(other, settings=BatchSettings(".pfm", ".pfm", None))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".flowcli", "a", "b"]
    assert {path.suffix for path in (tmp_path / "out" / "a").iterdir()} == {".pfm"}


def test_a_lost_output_is_made_again(run, mean_flow, tmp_path):
    run()
    before = results(tmp_path / "out")
    (tmp_path / "out" / "a" / "f003.flo").unlink()
    (tmp_path / "out" / "b.flow.mp4").write_bytes(b"cut")
    estimator = mean_flow()
    run(estimator)
    assert estimator.pairs == 48
    assert results(tmp_path / "out") == before


def test_one_bad_input_does_not_stop_the_rest(run, folders, tmp_path, mean_flow):
    (folders / "bad.mp4").write_bytes(b"not a video")
    (folders / "a" / "f035.png").write_bytes(b"damaged")
    batch = run()
    assert [(o.name, o.pairs) for o in batch.outcomes] == [("a", 34), ("b", 9), ("bad", 0)]
    a, b, bad = batch.outcomes
    assert a.fault is not None
    assert "f035.png" in a.fault
    assert b.fault is None
    assert bad.fault is not None
    assert "bad.mp4: expected an image or a video" in bad.fault
    assert batch.total == batch.done == 43
    # What could be read is there, and the next run knows.
    assert len(list((tmp_path / "out" / "a").iterdir())) == 34
    estimator = mean_flow()
    again = run(estimator)
    assert estimator.pairs == 0
    assert [(o.name, o.fault) for o in again.outcomes] == [("a", a.fault), ("b", None), ("bad", bad.fault)]


def test_an_input_that_is_deleted_meanwhile_is_listed(run, folders, mean_flow, tmp_path):
    class Deleting(mean_flow):
        def flows(self, pairs, together=1):
            for path in (folders / "b").glob("*"):
                path.unlink()
            return super().flows(pairs, together)

    batch = run(Deleting())
    assert batch.outcomes[0].fault is None
    assert batch.outcomes[1].fault is not None
    assert "expected a folder with at least two images, found 0" in batch.outcomes[1].fault


def test_a_fault_of_the_estimator_stops_the_batch_and_keeps_what_is_done(run, mean_flow, tmp_path):
    class Failing(mean_flow):
        def flows(self, pairs, together=1):
            if self.pairs >= 39:
                raise EngineError("no memory left")
            return super().flows(pairs, together)

    with pytest.raises(EngineError, match="no memory left"):
        run(Failing())
    estimator = mean_flow()
    run(estimator)
    assert estimator.pairs == 9


def test_an_output_folder_that_is_removed_meanwhile_stops_the_batch(run, mean_flow, tmp_path):
    class Removing(mean_flow):
        def flows(self, pairs, together=1):
            for field in super().flows(pairs, together):
                if self.pairs == 30:
                    (tmp_path / "out").rename(tmp_path / "elsewhere")
                yield field

    with pytest.raises(OutputError):
        run(Removing())
    assert not (tmp_path / "out").exists()
    # When the folder is back, the batch continues.
    (tmp_path / "elsewhere").rename(tmp_path / "out")
    assert run().done == 48


def test_what_is_in_the_way_is_kept(run, tmp_path, mean_flow):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.flow.mp4").write_bytes(b"precious")
    estimator = mean_flow()
    with pytest.raises(OutputError, match=r"b\.flow\.mp4: already exists and is not of this batch; use --overwrite"):
        run(estimator)
    assert estimator.pairs == 0
    assert (tmp_path / "out" / "b.flow.mp4").read_bytes() == b"precious"
    run(overwrite=True)
    assert (tmp_path / "out" / "b.flow.mp4").read_bytes() != b"precious"
    estimator = mean_flow()
    run(estimator, overwrite=True)
    assert estimator.pairs == 48


def test_the_results_of_another_input_of_the_same_name_are_kept(run, make_folder, tmp_path):
    run()
    other = make_folder("other/a", 5)
    before = results(tmp_path / "out")
    with pytest.raises(OutputError, match=r"holds results named a of .*in/a, not of .*other/a"):
        run(inputs=[other])
    assert results(tmp_path / "out") == before


def test_leftovers_of_a_killed_run_are_removed(run, tmp_path):
    (tmp_path / "out" / "a").mkdir(parents=True)
    leftover = tmp_path / "out" / "a" / ".flowcli-0123456789abcdef.flo"
    leftover.write_bytes(b"half")
    run()
    assert not leftover.exists()


def test_two_batches_in_one_folder(run, tmp_path):
    from flowcli.jobs.lock import hold_folder

    (tmp_path / "out" / ".flowcli").mkdir(parents=True)
    with (
        hold_folder(tmp_path / "out", tmp_path / "out" / ".flowcli"),
        pytest.raises(OutputError, match="another batch is writing there"),
    ):
        run()


def test_pairs_of_a_list_get_files_by_name(run, folders, tmp_path):
    pairs = folders / "pairs.csv"
    pairs.write_text("name,frame1,frame2\none,a/f000.png,a/f001.png\nsub/two,b/f007.png,b/f009.png\n")
    settings = BatchSettings(".flo", ".flo", ".mp4", backward=True, occlusion=True)
    batch = run(inputs=[pairs], settings=settings)
    assert [(o.name, o.pairs) for o in batch.outcomes] == [("one", 1), ("sub/two", 1)]
    names = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")]
    found = sorted(name for name in names if not name.startswith(".flowcli"))
    each = [".backward.flo", ".flo", ".flow.backward.png", ".flow.png", ".occlusion.png"]
    assert found == [f"{name}{suffix}" for name in ("one", "sub/two") for suffix in each]


def test_backward_and_occlusion_of_sequences(run, tmp_path, decode):
    run(settings=BatchSettings(".flo", ".flo", ".webm", backward=True, occlusion=True))
    out = tmp_path / "out"
    names = {path.name for path in out.iterdir()}
    assert names >= {"a", "a.backward", "a.flow.webm", "a.flow.backward.webm", "a.occlusion.webm"}
    assert len(decode(out / "a.occlusion.webm")) == len(decode(out / "a.flow.backward.webm")) == 39


def test_pictures_per_pair(run, tmp_path):
    run(settings=BatchSettings(None, None, ".png", selection=Selection(stride=5)))
    assert len(list((tmp_path / "out" / "a.flow").glob("*.png"))) == 7
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".flowcli", "a.flow", "b.flow"}


def test_the_scale_is_chosen_once_and_kept(run, tmp_path):
    settings = BatchSettings(None, None, ".mp4")
    run(settings=settings, output="reference")
    with pytest.raises(Interrupt):
        run(settings=settings, stop_after=20)
    lines = (tmp_path / "out" / ".flowcli" / "journal.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["scale"] > 0
    run(settings=settings)
    assert results(tmp_path / "out") == results(tmp_path / "reference")


def test_encoders_are_freed_with_their_part_and_not_by_the_collector_of_cycles(run, mean_flow):
    alive = []

    class Counting(mean_flow):
        def flows(self, pairs, together=1):
            alive.append(sum(type(thing).__name__ in ("VideoEncoder", "OutputWriter") for thing in gc.get_objects()))
            return super().flows(pairs, together)

    gc.collect()
    gc.disable()
    try:
        run(Counting())
    finally:
        gc.enable()
    # Asked at the begin of each of the 3 + 1 parts, before its first picture.
    assert len(alive) == 4
    assert max(alive) <= 1


def test_a_folder_that_cannot_be_made(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="the folder cannot be made"):
        run(output="file/out")
