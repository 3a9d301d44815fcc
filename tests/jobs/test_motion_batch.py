"""Motion statistics as one more output of a batch: from the same frames and the same flow as the others."""

import csv
import json
from collections import Counter
from fractions import Fraction

import pytest
from batch_runs import Interrupt, results

from flowcli.io.frames import Selection
from flowcli.io.sources.images import ImageReader
from flowcli.jobs.motion_table import NOT_YET, MotionTable, check_table_place
from flowcli.jobs.plan import plan_batch
from flowcli.jobs.settings import PART, BatchSettings
from flowcli.motion.options import MotionOptions
from flowcli.output.writer import Appearance

LOOK = Appearance(scale=5.0)
MOTION = BatchSettings(motion=MotionOptions())
BESIDE = BatchSettings(".flo", ".flo", ".mp4", look=LOOK, motion=MotionOptions())


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def count_frames(monkeypatch):
    """Counts every frame that is decoded, by its number in its folder."""
    decoded = Counter()
    read = ImageReader.read

    def counting(self, first, stop, step):
        for number, frame in enumerate(read(self, first, stop, step)):
            decoded[self.footage.stem, first + number * step] += 1
            yield frame

    monkeypatch.setattr(ImageReader, "read", counting)
    return decoded


def test_twenty_clips_are_decoded_once_and_estimated_once_for_all_outputs(
    run, make_folder, mean_flow, tmp_path, count_frames, decode
):
    for number in range(20):
        make_folder(f"clips/c{number:02d}", 5, first=number)
    method = mean_flow()
    batch = run(method, inputs=[tmp_path / "clips"], settings=BESIDE)
    assert len(batch.outcomes) == 20
    assert batch.done == 80
    # One forward and one backward estimate of each pair, whatever number of outputs; the method has no cheaper way.
    assert method.pairs == 2 * 80
    assert set(count_frames.values()) == {1}
    assert len(count_frames) == 100
    assert len(decode(tmp_path / "out/c07.flow.mp4")) == 4
    for number in range(20):
        assert (tmp_path / f"out/c{number:02d}.flow.mp4").stat().st_size > 500
        assert len(list((tmp_path / f"out/c{number:02d}").glob("*.flo"))) == 4
        assert len(read_lines(tmp_path / f"out/c{number:02d}.stats.jsonl")) == 4


def test_without_the_backward_flow_each_pair_is_estimated_once(run, folders, mean_flow):
    method = mean_flow()
    run(method, settings=BatchSettings(motion=MotionOptions(consistency=False)))
    assert method.pairs == 48


def test_rows_have_numbers_and_times_over_all_parts(run, tmp_path):
    run(settings=MOTION)
    rows = read_lines(tmp_path / "out/a.stats.jsonl")
    assert [row["pair"] for row in rows] == list(range(39))
    assert [row["time"] for row in rows] == pytest.approx([k / 25 for k in range(39)])
    assert [row["frame"] for row in rows][:2] == ["f000", "f001"]


@pytest.mark.parametrize("stop_after", [18, 30])
def test_an_interrupted_batch_ends_the_same(run, mean_flow, tmp_path, stop_after):
    run(settings=BESIDE, output="reference")
    first, second = mean_flow(), mean_flow()
    with pytest.raises(Interrupt):
        run(first, settings=BESIDE, stop_after=stop_after)
    run(second, settings=BESIDE)
    assert results(tmp_path / "out") == results(tmp_path / "reference")
    assert 2 * 48 <= first.pairs + second.pairs < 2 * (48 + PART + 8)


def test_statistics_are_added_beside_what_is_there(run, mean_flow, tmp_path):
    run(settings=BatchSettings(".flo", ".flo", ".mp4", look=LOOK))
    before = results(tmp_path / "out")
    method = mean_flow()
    run(method, settings=BESIDE)
    after = results(tmp_path / "out")
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == ["a.stats.jsonl", "b.stats.jsonl"]
    # Other measures are another result, and the videos are not made again.
    again = mean_flow()
    other = BatchSettings(".flo", ".flo", ".mp4", look=LOOK, motion=MotionOptions(moving=2.0))
    with pytest.raises(Exception, match="made with other settings \\(moving\\)"):
        run(again, settings=other)
    assert again.pairs == 0


def test_frames_are_sampled_by_time(run, tmp_path, make_folder):
    make_folder("short/three", 3)
    run(inputs=[tmp_path / "in", tmp_path / "short"], settings=BatchSettings(
        selection=Selection(sample_fps=Fraction(8)), motion=MotionOptions()
    ))  # fmt: skip
    rows = read_lines(tmp_path / "out/a.stats.jsonl")
    # round(25 / 8) = 3: frames 0, 3, ... 39.
    assert [row["frame"] for row in rows] == [f"f{k:03d}" for k in range(0, 39, 3)]
    assert rows[1]["time"] == pytest.approx(3 / 25)
    # A pair is left even of three frames: the first and the last.
    assert [row["frame"] for row in read_lines(tmp_path / "out/three.stats.jsonl")] == ["f000"]


@pytest.fixture
def table(folders, tmp_path):
    def make(per_clip=False):
        return MotionTable(plan_batch([str(folders)], tmp_path / "out"), tmp_path / "out", per_clip)

    return make


def test_the_table_has_what_is_done_and_says_what_is_not(run, table, folders, tmp_path):
    (folders / "bad.mp4").write_bytes(b"not a video")
    (folders / "a" / "f020.png").write_bytes(b"damaged")
    batch = run(settings=MOTION)
    path = tmp_path / "motion.csv"
    table().write(path, batch.outcomes)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert Counter(row["clip"] for row in rows) == {"a": 19, "b": 9}
    assert rows[0]["input"] == str(folders / "a")
    # Another run, or another machine, knows from the journal.
    table(per_clip=True).write(path)
    clips = {row["clip"]: row for row in csv.DictReader(path.read_text().splitlines())}
    assert [(name, row["pairs"]) for name, row in clips.items()] == [("a", "19"), ("b", "9"), ("bad", "0")]
    assert "f020.png" in clips["a"]["status"]
    assert (clips["b"]["status"], clips["bad"]["status"], clips["bad"]["mean"]) == ("ok", NOT_YET, "")
    table(per_clip=True).write(path, batch.outcomes)
    clips = {row["clip"]: row for row in csv.DictReader(path.read_text().splitlines())}
    assert "expected an image or a video" in clips["bad"]["status"]


def test_a_table_is_replaced_only_if_it_is_ours(run, table, tmp_path):
    path = tmp_path / "motion.csv"
    path.write_text("somebody's")
    run(settings=MOTION)
    with pytest.raises(Exception, match="already exists; use --overwrite"):
        check_table_place(path, tmp_path / "out", overwrite=False)
    path.unlink()
    table().write(path)
    check_table_place(path, tmp_path / "out", overwrite=False)
    path.write_text("somebody's")
    with pytest.raises(Exception, match="already exists; use --overwrite"):
        check_table_place(path, tmp_path / "out", overwrite=False)


def test_a_clip_that_ends_while_the_table_is_written_is_in_it(run, table, tmp_path, monkeypatch):
    run(settings=MOTION)
    hidden = tmp_path / "b"
    (tmp_path / "out/b.stats.jsonl").rename(hidden)
    from flowcli.jobs import motion_table

    write = motion_table.write_table

    def write_and_finish(*arguments):
        write(*arguments)
        if hidden.exists():
            hidden.rename(tmp_path / "out/b.stats.jsonl")

    monkeypatch.setattr(motion_table, "write_table", write_and_finish)
    table().write(tmp_path / "motion.csv")
    assert Counter(row["clip"] for row in csv.DictReader((tmp_path / "motion.csv").read_text().splitlines())) == {
        "a": 39,
        "b": 9,
    }
