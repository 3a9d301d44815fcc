import gc
import json

import numpy as np
import pytest
from batch_runs import Interrupt, results

from flowcli.errors import EngineError, OutputError
from flowcli.io.flow import read_flow
from flowcli.io.frames import Selection
from flowcli.jobs.settings import PART, BatchSettings


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
    method = mean_flow()
    batch = run(method)
    assert method.pairs == 0
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
    method = mean_flow()
    again = run(method)
    assert method.pairs == 0
    assert [(o.name, o.fault) for o in again.outcomes] == [("a", a.fault), ("b", None), ("bad", bad.fault)]


def test_an_input_that_is_deleted_meanwhile_is_listed(run, folders, mean_flow, tmp_path):
    class Deleting(mean_flow):
        def estimate(self, pairs):
            for path in (folders / "b").glob("*"):
                path.unlink()
            return super().estimate(pairs)

    batch = run(Deleting())
    assert batch.outcomes[0].fault is None
    assert batch.outcomes[1].fault is not None
    assert "expected a folder with at least two images, found 0" in batch.outcomes[1].fault


def test_a_bug_that_an_item_meets_is_told_with_its_traceback(run, mean_flow, tmp_path):
    class Failing(mean_flow):
        def estimate(self, pairs):
            if self.pairs < 39:
                return super().estimate(pairs)
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid\nstart")

    batch = run(Failing())
    fault = batch.outcomes[1].fault
    assert fault is not None
    assert fault.startswith("unexpected UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff")
    assert "\n" not in fault
    (details,) = (tmp_path / "out" / ".flowcli" / "faults").iterdir()
    assert fault.endswith(f"(traceback in {details})")
    assert details.read_text().startswith("b\nTraceback (most recent call last):")
    assert batch.outcomes[0].fault is None
    # The next run tries again, and then nothing is left of it.
    method = mean_flow()
    assert [outcome.fault for outcome in run(method).outcomes] == [None, None]
    assert method.pairs == 9
    assert not details.exists()


def test_a_fault_of_the_estimator_is_that_of_the_item(run, mean_flow, tmp_path):
    class Failing(mean_flow):
        def estimate(self, pairs):
            if self.pairs == 0:
                self.pairs = 1
                raise EngineError("no memory left")
            return super().estimate(pairs)

    batch = run(Failing())
    assert [(outcome.name, outcome.fault) for outcome in batch.outcomes] == [("a", "no memory left"), ("b", None)]
    method = mean_flow()
    run(method)
    assert method.pairs == 39


def test_an_output_that_cannot_be_written_is_the_fault_of_its_item(run, mean_flow, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("in the way")
    with pytest.raises(OutputError, match="out/a: already exists"):
        run()
    batch = run(overwrite=True)
    assert "out/a: " in batch.outcomes[0].fault
    assert batch.outcomes[1].fault is None
    assert (tmp_path / "out" / "a").read_text() == "in the way"


def test_an_output_folder_that_is_removed_meanwhile_stops_the_batch(run, mean_flow, tmp_path):
    class Removing(mean_flow):
        def estimate(self, pairs):
            fields = super().estimate(pairs)
            if self.pairs == 30:
                (tmp_path / "out").rename(tmp_path / "elsewhere")
            return fields

    with pytest.raises(OutputError):
        run(Removing())
    assert not (tmp_path / "out").exists()
    # When the folder is back, the batch continues.
    (tmp_path / "elsewhere").rename(tmp_path / "out")
    assert run().done == 48


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
        def estimate(self, pairs):
            # At the begin of each of the 3 + 1 parts, before its first picture.
            if self.pairs in (0, 16, 32, 39):
                names = [type(thing).__name__ for thing in gc.get_objects()]
                alive.append(names.count("VideoEncoder") + names.count("OutputWriter"))
            return super().estimate(pairs)

    gc.collect()
    gc.disable()
    try:
        run(Counting())
    finally:
        gc.enable()
    assert len(alive) == 4
    assert max(alive) <= 1


def test_a_folder_that_cannot_be_made(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="the folder cannot be made"):
        run(output="file/out")
