"""Batches of videos that are not what they say: nothing is lost, and a continued one equals one without a break."""

from contextlib import suppress

import av
import pytest
from batch_runs import Interrupt, results

from flowcli.io.video import index
from flowcli.jobs.settings import PART


def begin_between_key_frames(source, target):
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        copy = writer.add_stream_from_template(reader.streams.video[0])
        for number, packet in enumerate(reader.demux(video=0)):
            if packet.size and number >= 5:
                packet.stream = copy
                writer.mux(packet)


@pytest.mark.parametrize("instant", [0, 2**25])
@pytest.mark.parametrize("stop_after", [5, PART + 5, 2 * PART + 3])
def test_a_recording_that_begins_between_key_frames(
    run, make_video, moving_frames, tmp_path, monkeypatch, stop_after, instant
):
    monkeypatch.setattr(index, "AN_INSTANT", instant)
    whole = make_video("whole.mkv", moving_frames(60), "-g", "10", "-bf", "0")
    path = tmp_path / "clip.mkv"
    begin_between_key_frames(whole, path)
    told = []
    batch = run(inputs=[path], output="clean", notify=told.append)
    assert [(outcome.pairs, outcome.fault) for outcome in batch.outcomes] == [(49, None)]
    assert told == [f"{path}: begins between key frames: 5 frames at its start cannot be decoded and do not count"]
    with suppress(Interrupt):
        run(inputs=[path], stop_after=stop_after)
    run(inputs=[path])
    assert results(tmp_path / "out") == results(tmp_path / "clean")


@pytest.mark.parametrize("stop_after", [5, PART + 5, 2 * PART + 3])
def test_a_damaged_one_ends_with_the_same_words_and_files(run, make_video, moving_frames, tmp_path, stop_after):
    path = make_video("clip.mkv", moving_frames(3 * PART + 1), "-g", "10", "-bf", "0")
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 60] = bytes(60)
    path.write_bytes(data)
    clean = run(inputs=[path], output="clean")
    (outcome,) = clean.outcomes
    assert outcome.fault is not None
    assert "damaged" in outcome.fault
    assert outcome.pairs > 2 * PART
    with suppress(Interrupt):
        run(inputs=[path], stop_after=stop_after)
    continued = run(inputs=[path])
    assert [(o.pairs, o.fault) for o in continued.outcomes] == [(outcome.pairs, outcome.fault)]
    assert results(tmp_path / "out") == results(tmp_path / "clean")


@pytest.mark.slow
def test_a_file_cut_where_its_pairs_fill_the_last_part_is_a_fault(run, make_video, moving_frames, tmp_path):
    for length in range(2 * PART - 6, 2 * PART + 6):
        path = make_video(f"clip{length}.mjpeg", moving_frames(length), "-c:v", "mjpeg")
        data = path.read_bytes()
        path.write_bytes(data[:-300])
        batch = run(inputs=[path], output=f"out{length}")
        (outcome,) = batch.outcomes
        assert outcome.pairs in (length - 2, length - 1)
        assert outcome.fault is not None, length


def test_foreign_tags_stop_nothing(run, make_video, moving_frames, tmp_path):
    paths = [make_video(f"{k}.mkv", moving_frames(4), "-metadata", "title=caf_") for k in range(2)]
    paths[0].write_bytes(paths[0].read_bytes().replace(b"caf_", b"caf\xe9"))
    batch = run(inputs=paths)
    assert [(outcome.pairs, outcome.fault) for outcome in batch.outcomes] == [(3, None), (3, None)]
