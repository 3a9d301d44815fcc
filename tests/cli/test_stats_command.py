"""`flowcli stats` and `flowcli batch --stats`, read by the csv and json modules and by pyarrow."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from constant_flow import ConstantFlows
from PIL import Image
from pyarrow import parquet
from typer.testing import CliRunner

from flowcli.cli.batch import batch
from flowcli.cli.stats import stats
from flowcli.errors import FlowcliError, InputError, OutputError, UsageError
from flowcli.motion.columns import CLIP_COLUMNS, PAIR_COLUMNS, format_columns

app = typer.Typer()
app.command()(stats)
app.command()(batch)
FLOWS = ConstantFlows({"compact": (3, 4)})


@pytest.fixture(autouse=True)
def clips(monkeypatch, tmp_path):
    """Two folders of frames, 20 and 3 of 40x30, and a method that says (3, 4) everywhere."""
    FLOWS.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    texture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    for name, count in (("in/long", 20), ("in/short", 3)):
        Path(name).mkdir(parents=True)
        for k in range(count):
            Image.fromarray(texture).save(f"{name}/f{k:02d}.png")


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def done(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refusal(kind, *arguments):
    result = run(*arguments)
    assert isinstance(result.exception, FlowcliError), result.output
    assert isinstance(result.exception, kind)
    return str(result.exception)


def read_csv(path):
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def test_a_row_per_pair_as_csv():
    assert done("stats", "in", "-o", "motion.csv").stdout == "motion.csv\n"
    rows = read_csv("motion.csv")
    assert list(rows[0]) == list(PAIR_COLUMNS)
    assert [(row["clip"], row["pair"]) for row in rows] == [
        *(("long", str(k)) for k in range(19)),
        *(("short", str(k)) for k in range(2)),
    ]
    assert {(row["mean"], row["mean_diagonal"], row["u"], row["v"]) for row in rows} == {("5.0", "0.1", "3.0", "4.0")}
    assert {(row["input"], row["frame"]) for row in rows} >= {("in/long", "f18"), ("in/short", "f00")}
    assert {row["width"] + "x" + row["height"] for row in rows} == {"40x30"}


def test_the_other_formats_hold_the_same():
    done("stats", "in", "-o", "motion.csv")
    done("stats", "in", "-o", "motion.jsonl")
    done("stats", "in", "-o", "motion.parquet")
    rows = [json.loads(line) for line in Path("motion.jsonl").read_text().splitlines()]
    table = parquet.read_table("motion.parquet")
    assert table.to_pylist() == rows
    assert table.schema.names == list(PAIR_COLUMNS)
    assert table.schema.field("mean").metadata == {b"unit": b"px", b"formula": b"mean |f|"}
    plain = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    for row in plain:
        row |= {name: row[name].lower() for name in ("scene_cut", "dynamic")}
    assert plain == read_csv("motion.csv")


def test_a_row_per_clip_needs_no_new_estimate():
    done("stats", "in", "-o", "motion.csv")
    before = Path("motion.csv").read_text()
    done("stats", "in", "-o", "motion.csv", "--per-clip")
    rows = read_csv("motion.csv")
    assert [tuple(row[name] for name in ("clip", "pairs", "status", "mean", "scene_cuts")) for row in rows] == [
        ("long", "19", "ok", "5.0", "0"),
        ("short", "2", "ok", "5.0", "0"),
    ]
    assert list(rows[0]) == list(CLIP_COLUMNS)
    report = json.loads(done("stats", "in", "-o", "motion.csv", "--json").stdout)
    assert [item["skipped"] for item in report["items"]] == [True, True]
    assert report["files"] == ["motion.csv"]
    assert Path("motion.csv").read_text() == before


def test_only_what_has_changed_is_measured_again():
    done("stats", "in", "-o", "motion.csv")
    Image.new("RGB", (40, 30)).save("in/short/f03.png")
    report = json.loads(done("stats", "in", "-o", "motion.csv", "--json").stdout)
    assert [(item["name"], item["skipped"], item["pairs"]) for item in report["items"]] == [
        ("long", True, 19),
        ("short", False, 3),
    ]
    assert len(read_csv("motion.csv")) == 22
    assert read_csv("motion.csv")[-1]["scene_cut"] == "true"
    assert "made with other settings (moving)" in refusal(
        OutputError, "stats", "in", "-o", "motion.csv", "--moving", "2"
    )


def test_parts_on_several_machines_make_one_table():
    done("stats", "in", "-o", "motion.csv", "--shard", "1/2", "--per-clip")
    assert [row["status"] for row in read_csv("motion.csv")] == ["ok", "not done yet"]
    done("stats", "in", "-o", "motion.csv", "--shard", "2/2", "--per-clip")
    assert [row["status"] for row in read_csv("motion.csv")] == ["ok", "ok"]
    assert "name it with -o" in refusal(UsageError, "stats", "in", "--shard", "1/2")


def test_without_a_file_the_table_goes_to_standard_output():
    text = done("stats", "in/short", "--sample-fps", "8").stdout
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["frame"] for row in rows] == ["f00"]
    (row,) = json.loads(done("stats", "in/short", "--json", "--per-clip").stdout)["rows"]
    assert (row["clip"], row["mean"]) == ("short", 5)
    assert sorted(path.name for path in Path().iterdir()) == ["in"]


def test_two_images_are_a_pair():
    text = done("stats", "in/short/f00.png", "in/short/f01.png").stdout
    (row,) = csv.DictReader(text.splitlines())
    assert (row["clip"], row["frame"], row["input"]) == ("f00", "f00", "in/short/f00.png | in/short/f01.png")


def test_a_bad_clip_stops_nothing_and_is_told():
    Path("in/bad.mp4").write_bytes(b"nothing")
    result = run("stats", "in", "-o", "motion.csv", "--per-clip")
    assert isinstance(result.exception, InputError)
    assert "bad: in/bad.mp4: expected an image or a video" in result.stderr
    assert [(row["clip"], row["status"][:2]) for row in read_csv("motion.csv")][1:] == [("long", "ok"), ("short", "ok")]


def test_statistics_beside_pictures_from_one_estimate(decode):
    result = done("batch", "in", "-o", "out", "-v", "mp4", "--stats", "motion.csv", "--per-clip", "--scale", "5")
    assert result.stdout.splitlines()[-1] == "motion.csv"
    assert [row["pairs"] for row in read_csv("motion.csv")] == ["19", "2"]
    assert len(decode("out/long.flow.mp4")) == 19
    assert len(Path("out/long.stats.jsonl").read_text().splitlines()) == 19
    report = json.loads(
        done("batch", "in", "-o", "out", "-v", "mp4", "--stats", "motion.csv", "--scale", "5", "--json").stdout
    )
    assert report["items"][1]["files"] == ["out/short.flow.mp4", "out/short.stats.jsonl"]
    assert report["stats"] == "motion.csv"


def test_wrong_requests_are_refused():
    assert "expected a table ending in .csv .jsonl .parquet" in refusal(UsageError, "stats", "in", "-o", "motion.xlsx")
    Path("motion.csv").write_text("mine")
    assert "already exists; use --overwrite" in refusal(OutputError, "stats", "in", "-o", "motion.csv")
    Path("pairs.csv").write_text("frame1,frame2\nin/short/f00.png,in/short/f01.png\n")
    assert "the input itself" in refusal(UsageError, "stats", "pairs.csv", "-o", "pairs.csv", "--overwrite")
    assert "greater than 0" in refusal(UsageError, "stats", "in", "-o", "x.csv", "--moving", "-1")
    assert run("stats", "in", "--stride", "2", "--sample-fps", "8").exit_code == 2
    assert not Path("x.csv").exists()


def test_columns_are_listed_and_in_the_readme():
    assert done("stats", "--columns").stdout == format_columns() + "\n"
    readme = Path(__file__).parents[2] / "README.md"
    assert format_columns() in readme.read_text(encoding="utf-8")
