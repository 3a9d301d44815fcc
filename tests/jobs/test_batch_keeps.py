"""Nothing that is good is ever lost: each result stays until its replacement is complete."""

import json
import os
import shutil
from dataclasses import replace

import pytest
from batch_runs import SETTINGS, Interrupt, results

from flowcli.errors import OutputError
from flowcli.io.frames import Moment, Selection
from flowcli.jobs.settings import BatchSettings
from flowcli.output.writer import Appearance

FLOW, VIDEO = BatchSettings(".flo", ".flo", None), BatchSettings(None, None, ".mp4", look=Appearance(scale=5.0))
OTHER = BatchSettings(".flo", ".flo", ".mp4", look=Appearance(style="hsv", scale=9.0))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def late(stride=1, start=None):
    return replace(SETTINGS, selection=Selection(None if start is None else Moment(start), None, stride))


def test_another_kind_of_output_is_added_beside(run, mean_flow, out):
    run(settings=FLOW)
    before = results(out)
    method = mean_flow()
    run(method, settings=VIDEO)
    assert method.pairs == 48
    both = results(out)
    assert before.items() < both.items()
    assert both.keys() - before.keys() == {"a.flow.mp4", "b.flow.mp4"}
    # Either command finds its own, and both together have nothing to do.
    for settings in (FLOW, VIDEO, SETTINGS):
        method = mean_flow()
        run(method, settings=settings)
        assert method.pairs == 0
    run(settings=BatchSettings(".pfm", ".pfm", ".png", backward=True, occlusion=True))
    assert both.items() < results(out).items()
    run(output="reference")
    assert {name: data for name, data in results(out).items() if name in both} == results(out.parent / "reference")


@pytest.mark.parametrize(
    ("settings", "differing"),
    [
        (replace(OTHER, flow_suffix=None, pair_flow_suffix=None), "2 results would change, .* (style, scale)"),
        (late(stride=2), "4 results would change, .* (stride)"),
        (late(start=1000), "4 results would change, .* (start)"),
    ],
)
def test_other_settings_have_to_be_asked_for(run, mean_flow, out, settings, differing):
    run()
    before, journal = results(out), (out / ".flowcli" / "journal.jsonl").read_bytes()
    method = mean_flow()
    with pytest.raises(OutputError, match=differing.replace("(", r"\(").replace(")", r"\)")) as caught:
        run(method, settings=settings)
    assert "use --overwrite" in str(caught.value)
    assert method.pairs == 0
    assert results(out) == before
    assert (out / ".flowcli" / "journal.jsonl").read_bytes() == journal


def test_so_do_other_weights(run, mean_flow, out):
    run()
    before = results(out)
    with pytest.raises(OutputError, match=r"4 results would change, made with other settings \(model\)"):
        run(mean_flow("other weights"))
    other = mean_flow("other weights")
    run(other, overwrite=True)
    assert other.pairs == 48
    assert results(out).keys() == before.keys()


def test_when_asked_for_only_what_differs_is_made_again(run, mean_flow, out):
    run()
    before = results(out)
    method = mean_flow()
    run(method, settings=OTHER, overwrite=True)
    assert method.pairs == 48
    after = results(out)
    assert {name for name in before if before[name] != after[name]} == {"a.flow.mp4", "b.flow.mp4"}
    run(settings=OTHER, output="reference")
    assert after == results(out.parent / "reference")
    # The same command again has nothing to do, so that it can be continued.
    method = mean_flow()
    run(method, settings=OTHER, overwrite=True)
    assert method.pairs == 0


@pytest.mark.parametrize("stop_after", [1, 5, 17, 18, 21, 22, 24, 26, 28])
def test_ctrl_c_after_a_change_of_settings_loses_nothing(run, mean_flow, out, stop_after):
    wanted = late(stride=2)
    run(settings=wanted, output="reference")
    run()
    before = results(out)
    with pytest.raises(Interrupt):
        run(settings=wanted, overwrite=True, stop_after=stop_after)
    found = results(out)
    new = results(out.parent / "reference")
    # Each result is the old one or the new one, whole.
    for item in ("a", "b"):
        flows = {name: data for name, data in found.items() if name.startswith(f"{item}/")}
        assert flows in [{n: d for n, d in one.items() if n.startswith(f"{item}/")} for one in (before, new)]
        assert found[f"{item}.flow.mp4"] in (before[f"{item}.flow.mp4"], new[f"{item}.flow.mp4"])
    # Back to the old settings: what was not replaced is as it was, without estimating anything.
    if found == before:
        method = mean_flow()
        run(method)
        assert method.pairs == 0
    # And on with the new ones.
    run(settings=wanted, overwrite=True)
    assert results(out) == new


def test_an_interrupted_change_goes_on_at_its_part(run, mean_flow, out):
    run(settings=FLOW)
    other = mean_flow("other")
    with pytest.raises(Interrupt):
        run(other, settings=FLOW, overwrite=True, stop_after=40)
    again = mean_flow("other")
    run(again, settings=FLOW, overwrite=True)
    assert other.pairs + again.pairs < 48 + 16 + 8
    assert not list(out.rglob("work/*"))


def test_a_typo_that_makes_every_input_fail_keeps_their_results(run, out):
    run()
    before = results(out)
    batch = run(settings=late(start=1000), overwrite=True)
    assert all("expected at least two frames" in (outcome.fault or "") for outcome in batch.outcomes)
    assert results(out) == before
    assert [outcome.skipped for outcome in run().outcomes] == [True, True]


def test_an_input_that_became_unreadable_keeps_its_result(run, folders, out, make_folder):
    run()
    before = results(out)
    shutil.rmtree(folders / "a")
    (folders / "a").mkdir()
    for k in range(3):
        (folders / "a" / f"f{k:03d}.png").write_bytes(b"damaged")
    batch = run()
    assert batch.outcomes[0].skipped  # b; a is done after it
    assert "f000.png" in (batch.outcomes[1].fault or "")
    assert results(out) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_that_ends_earlier_than_before_keeps_its_result(run, folders, out, overwrite):
    run()
    before = results(out)
    (folders / "a" / "f030.png").write_bytes(b"damaged")
    batch = run(overwrite=overwrite)
    fault = next(outcome.fault for outcome in batch.outcomes if outcome.name == "a")
    assert fault is not None
    assert "f030.png" in fault
    assert "the earlier result of 39 pairs is kept" in fault
    assert results(out) == before


def test_an_input_that_changed_is_done_again_and_its_result_stays_until_then(run, mean_flow, folders, out):
    run()
    before = results(out)
    (folders / "b" / "f017.png").write_bytes((folders / "b" / "f010.png").read_bytes())
    said = []
    with pytest.raises(Interrupt):
        run(stop_after=3, notify=said.append)
    assert said == [f"{out}: 2 results made again, of inputs that changed"]
    assert results(out) == before
    method = mean_flow()
    batch = run(method)
    assert [(o.name, o.pairs, o.skipped) for o in batch.outcomes] == [("a", 39, True), ("b", 10, False)]
    run(output="reference")
    assert results(out) == results(out.parent / "reference")


def test_an_input_that_got_shorter_has_to_be_asked_for(run, mean_flow, folders, out):
    run()
    before = results(out)
    (folders / "b" / "f016.png").unlink()
    method = mean_flow()
    batch = run(method)
    assert method.pairs == 0
    assert "expected at least the 9 pairs of its earlier result, found 8" in (batch.outcomes[1].fault or "")
    assert results(out) == before
    run(overwrite=True)
    # The file of the pair that is no more has gone.
    assert len(list((out / "b").iterdir())) == 8


def test_a_result_that_somebody_changed_is_kept(run, mean_flow, out):
    run()
    (out / "b.flow.mp4").write_bytes(b"cut by hand")
    method, said = mean_flow(), []
    batch = run(method, notify=said.append)
    assert method.pairs == 0
    assert [outcome.fault for outcome in batch.outcomes] == [None, None]
    assert said == [
        f"{out}/b.flow.mp4: was changed by somebody since it was made; it is kept, --overwrite makes it again"
    ]
    assert (out / "b.flow.mp4").read_bytes() == b"cut by hand"
    run(overwrite=True)
    run(output="reference")
    assert results(out) == results(out.parent / "reference")


def test_it_is_kept_also_where_its_input_changed(run, mean_flow, folders, out):
    run(settings=FLOW)
    flow = out / "b" / "f010.flo"
    data = bytearray(flow.read_bytes())
    data[-1] ^= 1
    flow.write_bytes(data)
    os.utime(folders / "b" / "f010.png", ns=(1, 1))
    said = []
    run(settings=FLOW, notify=said.append)
    assert len(said) == 1
    assert "b/f010.flo: was changed by somebody" in said[0]
    assert flow.read_bytes() == data


def test_a_lost_output_is_made_again(run, mean_flow, out):
    run()
    before = results(out)
    (out / "a" / "f003.flo").unlink()
    # What a crash of the machine leaves.
    (out / "b.flow.mp4").write_bytes(b"")
    method = mean_flow()
    run(method)
    assert method.pairs == 48
    assert results(out) == before


def test_what_is_in_the_way_is_kept(run, out, mean_flow):
    out.mkdir()
    (out / "b.flow.mp4").write_bytes(b"precious")
    method = mean_flow()
    with pytest.raises(OutputError, match=r"b\.flow\.mp4: already exists and is not of this batch; use --overwrite"):
        run(method)
    assert method.pairs == 0
    assert (out / "b.flow.mp4").read_bytes() == b"precious"
    with pytest.raises(Interrupt):
        run(overwrite=True, stop_after=50)
    assert (out / "b.flow.mp4").read_bytes() == b"precious"
    run(overwrite=True)
    assert (out / "b.flow.mp4").read_bytes() != b"precious"


def test_files_of_others_in_a_result_folder_are_kept(run, out):
    run(settings=FLOW)
    (out / "a" / "mine.flo").write_bytes(b"precious")
    (out / "a" / "notes.txt").write_text("precious")
    run(settings=replace(FLOW, selection=Selection(stride=2)), overwrite=True)
    assert (out / "a" / "mine.flo").read_bytes() == b"precious"
    assert (out / "a" / "notes.txt").read_text() == "precious"
    assert len(list((out / "a").glob("f*.flo"))) == 19


def test_the_results_of_another_input_of_the_same_name_are_kept(run, make_folder, out):
    run()
    before = results(out)
    run(inputs=[make_folder("other/a", 5)])
    after = results(out)
    assert before.items() < after.items()
    assert {name for name in after if name not in before} == {"other/a.flow.mp4"} | {
        f"other/a/f00{k}.flo" for k in range(4)
    }


@pytest.mark.parametrize("killed", range(1, 12, 2))
def test_a_kill_while_results_take_their_names_is_made_up_for(run, mean_flow, out, monkeypatch, killed):
    settings = replace(FLOW, selection=Selection(stride=2))
    run(settings=settings, output="reference")
    run(settings=FLOW)
    import flowcli.jobs.moving as moving

    moves = []

    def dying(source, final):
        moves.append(final)
        if len(moves) == killed:
            raise Interrupt
        take_name(source, final)

    take_name = moving._move
    monkeypatch.setattr(moving, "_move", dying)
    with pytest.raises(Interrupt):
        run(settings=settings, overwrite=True)
    monkeypatch.setattr(moving, "_move", take_name)
    # Whatever is wanted next, the change that was begun is completed: no mixture stays.
    with pytest.raises(OutputError, match=r"results? would change"):
        run(settings=FLOW)
    flows = {name: data for name, data in results(out).items() if name.startswith("a/")}
    expected = results(out.parent / "reference")
    assert flows == {name: data for name, data in expected.items() if name.startswith("a/")}
    run(settings=settings, overwrite=True)
    assert results(out) == expected


def test_results_of_a_version_before_kinds_are_known(run, mean_flow, out):
    run()
    path = out / ".flowcli" / "journal.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    flow = next(e for e in events if e["event"] == "start" and e["kind"] == "flow.flo")
    video = next(e for e in events if e["event"] == "start" and e["kind"] == "pictures.mp4")
    old = {"flow_suffix": ".flo", "pair_flow_suffix": ".flo", "picture_suffix": ".mp4", "backward": False}
    outputs = old | {"occlusion": False} | video["settings"]["outputs"]
    lines = []
    for name in ("a", "b"):
        starts = [e for e in events if e["event"] == "start" and e["item"] == name]
        line = {key: starts[0][key] for key in ("event", "item", "origin", "fingerprint", "pairs", "turn")}
        lines.append(
            line | {"scale": 5.0, "settings": {"estimator": flow["settings"]["estimator"], "outputs": outputs}}
        )
        files = {
            path: size
            for e in events
            if e["item"] == name and e["event"] != "start"
            for path, (size, _) in e["files"].items()
            if not path.startswith(".flowcli")
        }
        lines.append({"event": "end", "item": name, "pairs": starts[0]["pairs"], "files": files, "fault": None})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    before, method = results(out), mean_flow()
    batch = run(method)
    assert method.pairs == 0
    assert [outcome.skipped for outcome in batch.outcomes] == [True, True]
    with pytest.raises(OutputError, match="2 results would change"):
        run(settings=OTHER)
    run(settings=OTHER, overwrite=True)
    assert results(out).keys() == before.keys()
