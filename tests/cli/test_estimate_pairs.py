"""`estimate --pairs`: a list of pairs through one estimator, each row by itself."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowcli.cli.app import main
from flowcli.io.flow import read_flow
from flowcli.io.image import read_image, write_image

LIST = "name,frame1,frame2\none,f0.png,f1.png\nsub/two,f1.png,f2.png\n,f2.png,f0.png\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, moving_frames):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flowcli.runtime.process.configure_process", lambda threads, **_: None)
    monkeypatch.setattr("flowcli.cli.console.Console.json_lines", False)
    monkeypatch.setattr("flowcli.cli.console.Console.has_json", False)
    Path("data").mkdir()
    for k, frame in enumerate(moving_frames(3)):
        write_image(f"data/f{k}.png", frame)
    Path("data/list.csv").write_text(LIST)


@pytest.fixture
def run(monkeypatch, capsys):
    def run(arguments, model="zero"):
        command = ["flowcli", "estimate", "--pairs", "data/list.csv", "--model", model, *arguments.split()]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return end.value.code or 0, said.out.splitlines(), said.err.splitlines()

    return run


def files(folder="."):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_each_row_gives_what_estimate_gives_for_its_two_images(run, monkeypatch):
    options = "--backward --occlusion masks --confidence sure --style overlay --legend --resize 0.5"
    code, told, errors = run(f"-o flows -v pictures {options} --format npz", "variational")
    assert (code, errors) == (0, [])
    kinds = ["flows/{}.npz", "pictures/{}.png", "flows.backward/{}.npz", "pictures.backward/{}.png"]
    kinds += ["masks/{}.png", "sure/{}.png"]
    assert told == [kind.format(name) for name in ("one", "sub/two", "f2") for kind in kinds]
    several = {name: data for name, data in files().items() if not name.startswith("data/")}
    # Nothing else is left, no journal.
    assert set(several) == set(told)
    for name, first, second in [("one", 0, 1), ("sub/two", 1, 2), ("f2", 2, 0)]:
        alone = "-o alone/x.npz -v alone/x.png --overwrite " + options.replace("masks", "alone/mask.png").replace(
            "sure", "alone/sure.png"
        )
        Path("alone").mkdir(exist_ok=True)
        pair = [f"data/f{first}.png", f"data/f{second}.png"]
        monkeypatch.setattr(sys, "argv", ["flowcli", "estimate", *pair, "--model", "variational", *alone.split()])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        for kind, other in zip(
            kinds, ["x.npz", "x.png", "x.backward.npz", "x.backward.png", "mask.png", "sure.png"], strict=True
        ):
            if kind.endswith("npz"):
                assert (read_flow(kind.format(name)).uv == read_flow(f"alone/{other}").uv).all()
            else:
                assert (read_image(kind.format(name)) == read_image(f"alone/{other}")).all()


def test_two_stream_pictures_of_every_row_have_a_folder(run):
    code, told, _ = run("-o flows --format xy-jpeg --backward")
    assert code == 0
    assert len(told) == len(set(told)) == 12
    assert "flows/sub/two/flow_x_00000.jpg" in told
    assert all(Path(name).is_file() for name in told)


def test_a_bad_row_is_its_own_fault(run, moving_frames):
    write_image("data/small.png", moving_frames(1)[0][:20])
    Path("data/torn.png").write_bytes(Path("data/f0.png").read_bytes()[:200])
    bad = "gone,f0.png,none.png\nodd,f0.png,small.png\ntorn,torn.png,f1.png\none,f1.png,f0.png\n../up,f0.png,f1.png\n"
    Path("data/list.csv").write_text(LIST.replace("sub/two", bad + "sub/two"))
    code, told, errors = run("-o flows")
    assert code == 1
    assert told == ["flows/one.flo", "flows/sub/two.flo", "flows/f2.flo"]
    begins = ["gone: line 3 names 'data/none.png', found no file", "odd: ", "torn: "]
    begins += ["one: expected each name once, got it in line 2 and again in line 6", "line 7: expected a plain name"]
    begins += ["flowcli: 5 of 8 pairs could not be used"]
    assert len(errors) == len(begins)
    assert all(line.startswith(begin) for line, begin in zip(errors, begins, strict=True))
    assert read_flow("flows/one.flo").size == (48, 64)


def test_a_line_of_json_for_each_row_and_one_at_the_end(run):
    Path("data/list.csv").write_text(LIST + "bad,f0.png,none.png\n")
    code, told, _ = run("-o flows -v pictures --json")
    assert code == 1
    *rows, end = map(json.loads, told)
    assert [row["name"] for row in rows] == ["one", "sub/two", "f2", "bad"]
    assert rows[0] == {
        "line": 2, "name": "one", "files": ["flows/one.flo", "pictures/one.png"], "size": {"width": 64, "height": 48},
        "seconds": rows[0]["seconds"], "scale": rows[0]["scale"], "resumed": False, "fault": None,
    }  # fmt: skip
    assert rows[0]["seconds"] >= 0
    assert rows[3]["files"] == []
    assert "none.png" in rows[3]["fault"]
    assert (end["pairs"], end["faults"], end["settings"]) == (3, 1, {"model": "zero"})


def test_resume_does_what_is_left(run):
    Path("data/list.csv").write_text(LIST + "late,f0.png,f9.png\n")
    assert run("-o flows -v pictures --scale 5")[0] == 1
    before = {name: Path(name).stat().st_mtime_ns for name in files() if name.endswith((".flo", ".png"))}
    Path("pictures/f2.png").unlink()
    Path("data/f9.png").write_bytes(Path("data/f1.png").read_bytes())
    code, _, errors = run("-o flows -v pictures --scale 5")
    assert code == 1
    assert "--resume goes on with it, --overwrite begins anew" in errors[0]
    code, told, errors = run("-o flows -v pictures --scale 5 --resume --json")
    assert (code, errors) == (0, [])
    assert [json.loads(line)["resumed"] for line in told[:-1]] == [True, True, False, False]
    again = {name for name, when in before.items() if Path(name).stat().st_mtime_ns != when}
    # All outputs of a row that lacks one are made again.
    assert again == {"pictures/f2.png", "flows/f2.flo"}
    assert set(files("flows")) == {"one.flo", "sub/two.flo", "f2.flo", "late.flo"}
    # Of other settings nothing is taken for done.
    code, told, errors = run("-o flows -v pictures --scale 5 --resume")
    assert (code, told) == (1, [])
    assert "is not of an estimate of this pair with these settings" in errors[0]


def test_what_is_there_is_kept_unless_it_may_be_replaced(run):
    assert run("-o flows")[0] == 0
    before = files("flows")
    code, told, errors = run("-o flows", "variational")
    assert (code, told) == (1, [])
    assert errors[0] == "one: flows/one.flo: already exists; use --overwrite to replace it"
    assert files("flows") == before
    assert run("-o flows --overwrite", "variational")[0] == 0
    assert files("flows") != before


def test_no_row_writes_over_a_frame_of_another(run):
    Path("data/list.csv").write_text("name,frame1,frame2\nf2,f0.png,f1.png\nb,f1.png,f2.png\n")
    before = files("data")
    code, told, errors = run("-v data --overwrite")
    assert (code, told) == (1, ["data/b.png"])
    assert "f2: data/f2.png: expected another file to write to, got the input itself" in errors[0]
    assert {name: data for name, data in files("data").items() if name in before} == before


def test_below_a_ceiling_of_memory_the_bytes_are_the_same(run):
    assert run("-o flows --threads 1", "variational")[0] == 0
    assert run("-o others --threads 1 --memory 4", "variational")[0] == 0
    assert files("flows") == files("others")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "--pairs gives files for each pair; name a folder"),
        ("-o x.flo", "name a folder, such as x/"),
        ("-o -", "name a folder, such as flows/"),
        ("-v x.mp4", "name a folder, such as x/"),
        ("-v x --format pfm", "--format pfm is for flow files"),
        ("-o x --format hdf5", "hdf5"),
        ("-o x --format png -v x", "named for two outputs"),
        ("data/f0.png data/f1.png -o x", "expected no INPUT with --pairs"),
        ("-o x --start 1 --stride 2 --fps 5 --raw", "expected no --start, --stride, --fps, --raw with --pairs"),
        ("-o x --view x.html", "expected no --view with --pairs"),
        ("-o x --backward --model none.safetensors --scale 0", "scale"),
    ],
)
def test_wrong_requests(run, arguments, expected):
    code, told, errors = run(arguments)
    assert (code, told) == (2, [])
    assert expected in errors[-1]
    assert not Path("x").exists()


@pytest.mark.parametrize(("text", "code"), [(None, 1), ("a,b\n1,2\n", 1), ("frame1,frame2\n", 1)])
def test_what_is_no_list_is_told_before_anything_is_made(run, text, code):
    Path("data/list.csv").unlink() if text is None else Path("data/list.csv").write_text(text)
    found, told, errors = run("-o flows --json")
    assert found == code
    assert json.loads(told[0])["error"]["message"].startswith("data/list.csv: expected")
    assert len(errors) == 1
    assert not Path("flows").exists()


def start_live(*arguments):
    command = [sys.executable, "-m", "flowcli", "estimate", "--pairs", "-", "--model", "zero", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A test set in the background of a script ignores Ctrl-C, and so would what it starts.
    return subprocess.Popen(command, **pipes, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def test_rows_from_stdin_are_answered_one_by_one():
    with start_live("-o", "flows", "--json") as process:
        asking, answers = process.stdin, process.stdout
        assert asking and answers and process.stderr

        def ask(row):
            asking.write(f"{row}\n")
            asking.flush()
            return json.loads(answers.readline())

        asking.write("frame1,frame2,name\n")
        first = ask("data/f0.png,data/f1.png,a")
        assert first["files"] == ["flows/a.flo"]
        assert read_flow("flows/a.flo").size == (48, 64)
        assert "found no file" in ask("data/f0.png,none.png,b")["fault"]
        assert ask(",,")["fault"] == "expected two frames per row, got none in line 4"
        # A frame that is made once the answer to the first is known.
        write_image("data/new.png", read_image("data/f2.png"))
        assert ask("data/f1.png,data/new.png,c")["files"] == ["flows/c.flo"]
        asking.close()
        end = json.loads(answers.readline())
        assert (end["pairs"], end["faults"]) == (2, 2)
        assert answers.read() == ""
        assert len(process.stderr.read().splitlines()) == 3
    assert process.returncode == 1


@pytest.mark.slow
def test_an_interrupt_ends_it_while_it_waits_and_another_run_goes_on():
    with start_live("-o", "flows") as process:
        assert process.stdin and process.stdout
        process.stdin.write("frame1,frame2,name\ndata/f0.png,data/f1.png,a\n")
        process.stdin.flush()
        assert process.stdout.readline() == "flows/a.flo\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    with start_live("-o", "flows", "--resume", "--json") as process:
        out, _ = process.communicate("frame1,frame2,name\ndata/f0.png,data/f1.png,a\ndata/f1.png,data/f2.png,b\n")
        assert [json.loads(line).get("resumed") for line in out.splitlines()] == [True, False, None]
    assert process.returncode == 0
    assert set(files("flows")) == {"a.flo", "b.flo"}
