"""Batches of videos that are not what they say: nothing is lost, and a continued one equals one without a break."""

from functools import partial

import av
import pytest

from flowcli.io.sources import expect_pairs
from flowcli.io.video import index
from flowcli.jobs.batch import Batch
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import plan_batch
from flowcli.jobs.settings import PART, BatchSettings
from flowcli.output.writer import Appearance

SETTINGS = BatchSettings(".flo", ".flo", ".mp4", look=Appearance(scale=5.0))


def run_batch(paths, output, estimator, stop_after=None):
    told = []
    batch = Batch(plan_batch([str(path) for path in paths], output), SETTINGS, output, estimator.settings)
    events = batch.run(
        partial(run_here, estimator=estimator),
        lambda item: expect_pairs(item.inputs, SETTINGS.selection, None),
        overwrite=False,
        notify=told.append,
    )
    for number, _ in enumerate(events, 1):
        if number == stop_after:
            break
    events.close()
    return batch, told


def results(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".flowcli" not in path.parts
    }


def begin_between_key_frames(source, target):
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        copy = writer.add_stream_from_template(reader.streams.video[0])
        for number, packet in enumerate(reader.demux(video=0)):
            if packet.size and number >= 5:
                packet.stream = copy
                writer.mux(packet)


@pytest.mark.parametrize("instant", [0, 2**26])
@pytest.mark.parametrize("stop_after", [5, PART + 5, 2 * PART + 3])
def test_a_recording_that_begins_between_key_frames(
    make_video, moving_frames, tmp_path, mean_flow, monkeypatch, stop_after, instant
):
    monkeypatch.setattr(index, "AN_INSTANT", instant)
    whole = make_video("whole.mkv", moving_frames(60), "-g", "10", "-bf", "0")
    path = tmp_path / "clip.mkv"
    begin_between_key_frames(whole, path)
    batch, told = run_batch([path], tmp_path / "clean", mean_flow())
    assert [(outcome.pairs, outcome.fault) for outcome in batch.outcomes] == [(49, None)]
    assert told == [f"{path}: begins between key frames: 5 frames at its start cannot be decoded and do not count"]
    run_batch([path], tmp_path / "out", mean_flow(), stop_after)
    run_batch([path], tmp_path / "out", mean_flow())
    assert results(tmp_path / "out") == results(tmp_path / "clean")


@pytest.mark.parametrize("stop_after", [5, PART + 5, 2 * PART + 3])
def test_a_damaged_one_ends_with_the_same_words_and_files(make_video, moving_frames, tmp_path, mean_flow, stop_after):
    path = make_video("clip.mkv", moving_frames(3 * PART + 1), "-g", "10", "-bf", "0")
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 60] = bytes(60)
    path.write_bytes(data)
    clean, _ = run_batch([path], tmp_path / "clean", mean_flow())
    (outcome,) = clean.outcomes
    assert outcome.fault is not None
    assert "damaged" in outcome.fault
    assert outcome.pairs > 2 * PART
    run_batch([path], tmp_path / "out", mean_flow(), stop_after)
    continued, _ = run_batch([path], tmp_path / "out", mean_flow())
    assert [(o.pairs, o.fault) for o in continued.outcomes] == [(outcome.pairs, outcome.fault)]
    assert results(tmp_path / "out") == results(tmp_path / "clean")


def test_a_file_cut_where_its_pairs_fill_the_last_part_is_a_fault(make_video, moving_frames, tmp_path, mean_flow):
    for length in range(2 * PART - 6, 2 * PART + 6):
        path = make_video(f"clip{length}.mjpeg", moving_frames(length), "-c:v", "mjpeg")
        data = path.read_bytes()
        path.write_bytes(data[:-300])
        batch, _ = run_batch([path], tmp_path / f"out{length}", mean_flow())
        (outcome,) = batch.outcomes
        assert outcome.pairs in (length - 2, length - 1)
        assert outcome.fault is not None, length


def test_foreign_tags_stop_nothing(make_video, moving_frames, tmp_path, mean_flow):
    paths = [make_video(f"{k}.mkv", moving_frames(4), "-metadata", "title=caf_") for k in range(2)]
    paths[0].write_bytes(paths[0].read_bytes().replace(b"caf_", b"caf\xe9"))
    batch, _ = run_batch(paths, tmp_path / "out", mean_flow())
    assert [(outcome.pairs, outcome.fault) for outcome in batch.outcomes] == [(3, None), (3, None)]
