import threading

import numpy as np
import pytest

from flowcli.errors import EngineError, FormatError, InputError, OutputError
from flowcli.estimator import Estimator
from flowcli.flow import FlowField
from flowcli.io.flow import read_flow
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import open_source
from flowcli.jobs.sequence import PairStream, write_flows
from flowcli.output.plan import plan_outputs
from flowcli.output.scale import SequenceScale
from flowcli.output.writer import Appearance, OutputWriter


def run(source, method, output, viz=None, **options):
    plan = plan_outputs(source, str(output), viz and str(viz), None, backward=False, flow_format=None)
    plan.check(source, overwrite=False)
    writer = OutputWriter(plan, source, Appearance(), SequenceScale(5.0), "", overwrite=False)
    with PairStream(source) as stream:
        results = write_flows(stream.take(), Estimator(method), writer, backward=False, resize=Resize())
        names = [result.pair.name for result in results]
    return names, stream.fault


def test_results_are_written_in_order(make_folder, mean_flow, tmp_path):
    source = open_source([str(make_folder("in", 8))])
    names, fault = run(source, mean_flow(), tmp_path / "out")
    assert fault is None
    assert names == [f"f{k:03d}" for k in range(7)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{name}.flo" for name in names]
    for pair in source.pairs():
        uv = read_flow(tmp_path / "out" / f"{pair.name}.flo").uv
        np.testing.assert_allclose(uv[0, 0], (pair.frame1.mean() / 9, pair.frame2.mean() / 9), rtol=1e-6)


def test_a_fault_of_the_input_keeps_what_came_before(make_folder, mean_flow, tmp_path, decode):
    folder = make_folder("in", 8)
    (folder / "f005.png").write_bytes(b"damaged")
    names, fault = run(open_source([str(folder)]), mean_flow(), tmp_path / "out", tmp_path / "out.mp4")
    assert names == ["f000", "f001", "f002", "f003"]
    assert isinstance(fault, FormatError)
    assert "f005.png" in str(fault)
    assert len(decode(tmp_path / "out.mp4")) == 4


def test_an_input_that_is_deleted_meanwhile_is_a_fault(make_folder, mean_flow, tmp_path):
    folder = make_folder("in", 30)
    source = open_source([str(folder)])
    for path in folder.iterdir():
        path.unlink()
    names, fault = run(source, mean_flow(), tmp_path / "out")
    # The first two frames were read when the source was opened.
    assert names == ["f000"]
    assert isinstance(fault, InputError)


def test_a_fault_of_the_estimator_is_raised_and_drops_the_video(make_folder, mean_flow, tmp_path):
    class Failing(mean_flow):
        def estimate(self, pairs):
            if self.pairs == 3:
                raise EngineError("no memory left")
            return super().estimate(pairs)

    threads = threading.active_count()
    with pytest.raises(EngineError, match="no memory left"):
        run(open_source([str(make_folder("in", 8))]), Failing(), tmp_path / "out", tmp_path / "out.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert threading.active_count() == threads


def test_an_output_folder_that_disappears_is_an_output_error(make_folder, mean_flow, tmp_path):
    class Removing(mean_flow):
        def estimate(self, pairs):
            fields = super().estimate(pairs)
            if self.pairs == 4:
                (tmp_path / "out").rename(tmp_path / "elsewhere")
            return fields

    with pytest.raises(OutputError, match=r"f\d+\.flo: .*(does not exist|cannot be written)"):
        run(open_source([str(make_folder("in", 12))]), Removing(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_no_partial_file(make_folder, mean_flow, tmp_path, monkeypatch):
    from flowcli.io import atomic

    source = open_source([str(make_folder("in", 8))])
    written = []

    def full(self, data):
        with self.open("wb") as file:
            if len(written) == 3:
                file.write(data[: len(data) // 2])
                file.flush()
                raise OSError(28, "No space left on device")
            written.append(file.write(data))

    monkeypatch.setattr(atomic.Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"f003\.flo: cannot be written: No space left on device"):
        run(source, mean_flow(), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["f000.flo", "f001.flo", "f002.flo"]


def test_memory_does_not_grow_with_the_length(make_folder, tmp_path, monkeypatch):
    """Of the frames of a long sequence, only a few exist at any time."""
    import weakref

    from flowcli.io.sources import images

    alive, most = weakref.WeakSet(), 0

    class Tracked(np.ndarray):
        __hash__ = object.__hash__

    original = images.to_frame

    def read(image, chosen):
        nonlocal most
        frame = original(image, chosen).view(Tracked)
        alive.add(frame)
        most = max(most, len(alive))
        return frame

    class Zero:
        def estimate(self, pairs):
            return [FlowField(np.zeros((*frame1.shape[:2], 2), np.float32)) for frame1, _ in pairs]

    monkeypatch.setattr(images, "to_frame", read)
    names, _ = run(open_source([str(make_folder("in", 60))]), Zero(), tmp_path / "out")
    assert len(names) == 59
    # Two kept by the source, three pairs in each of two queues, and what the stages hold in their hands.
    assert most <= 20
