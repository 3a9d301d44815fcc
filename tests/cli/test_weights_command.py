"""`flowcli weights`: every subcommand, on small networks in a folder of the test's own."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from flowcli.checkpoints import importing, load_checkpoint, save_checkpoint, verification
from flowcli.checkpoints.manifest import KNOWN, KnownFile, KnownWeights
from flowcli.cli.weights import weights_app
from flowcli.errors import FlowcliError, InputError, OutputError, UsageError, WeightsError
from flowcli.model.config import TINY, ModelConfig
from flowcli.model.perceiver import PerceiverFlow

PARAMETERS = sum(tensor.numel() for tensor in PerceiverFlow(TINY).state_dict().values())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "folder"
    monkeypatch.setenv("FLOWCLI_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in krasserm's layout, of a network small enough for a test to call it the published one."""
    from flowcli.checkpoints.key_maps import KEY_MAPS

    for module in (importing, verification):
        defaults = vars(module)["import_checkpoint" if module is importing else "verify"].__kwdefaults__
        monkeypatch.setitem(defaults, "published", TINY)
    monkeypatch.setitem(KNOWN, "perceiver-io", replace(KNOWN["perceiver-io"], parameters=PARAMETERS))
    tensors = random_tensors()
    path = tmp_path / "downloaded.bin"
    torch.save({theirs: tensors[ours] for ours, theirs in KEY_MAPS["krasserm"].names(TINY.layers).items()}, path)
    return path


def random_tensors(config: ModelConfig = TINY) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn(tensor.shape) for name, tensor in PerceiverFlow(config).state_dict().items()}


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(weights_app, [str(argument) for argument in arguments])


def run(*arguments: str | Path) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def fail(error: type[FlowcliError], *arguments: str | Path) -> str:
    result = invoke(*arguments)
    assert isinstance(result.exception, error)
    assert result.stdout == ""
    return str(result.exception)


def test_help_names_every_subcommand() -> None:
    text = run("--help")
    assert re.findall(r"(?m)^\W+(list|pull|import|verify|path)\s", text) == ["list", "pull", "import", "verify", "path"]


def test_list_before_anything_is_there() -> None:
    lines = run("list").splitlines()
    assert lines[0].split() == ["NAME", "HERE", "SIZE", "PARAMETERS", "LICENCE", "EPE", "IN", "PIXELS"]
    row = next(line for line in lines if line.startswith("perceiver-io"))
    assert re.sub(r"\s+", " ", row) == (
        "perceiver-io no - 41,057,134 CC-BY-4.0 sintel-clean 1.81, sintel-final 2.42, kitti 4.98"
    )
    rows = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert set(rows) == {"compact", "coarse", "perceiver-io"}
    assert rows["perceiver-io"]["present"] is False
    assert rows["perceiver-io"]["bytes"] is None
    assert rows["perceiver-io"]["licence"] == "CC-BY-4.0"
    assert rows["perceiver-io"]["epe"] == {"sintel-clean": 1.81, "sintel-final": 2.42, "kitti": 4.98}
    assert rows["perceiver-io"]["sha256"] is None
    first, *others = rows["perceiver-io"]["files"]
    assert len(others) == 2
    assert first.keys() == {"url", "sha256", "megabytes", "layout"}
    assert first["url"].startswith("https://huggingface.co/deepmind/optical-flow-perceiver/")
    assert (rows["compact"]["bytes"], len(bytes.fromhex(rows["compact"]["sha256"]))) == (4562184, 32)


def test_list_describes_what_is_there(folder: Path) -> None:
    config = replace(TINY, pixel_network="gated", pixel_width=5)
    tensors = random_tensors(config)
    folder.mkdir()
    save_checkpoint(folder / "mine.safetensors", config, tensors, {"epe": '{"chairs": 2.375}'})
    (folder / "broken.safetensors").write_bytes(b"nonsense")
    save_checkpoint(folder / "silent.safetensors", config, tensors, {"epe": "none"})
    rows = {row["name"]: row for row in json.loads(run("list", "--json"))}
    trained = sum(tensor.numel() for name, tensor in tensors.items() if "whitening" not in name)
    assert rows["mine"] == {
        "name": "mine",
        "path": str(folder / "mine.safetensors"),
        "present": True,
        "bytes": (folder / "mine.safetensors").stat().st_size,
        "parameters": trained,
        "licence": None,
        "epe": {"chairs": 2.375},
        "description": "imported",
        "sha256": hashlib.sha256((folder / "mine.safetensors").read_bytes()).hexdigest(),
        "files": [],
    }
    assert rows["broken"]["parameters"] is None
    assert rows["silent"]["epe"] == {}
    assert re.search(rf"(?m)^mine +yes +0\.1 MB +{trained:,} +- +chairs 2.38$", run("list"))


def test_import_then_use(folder: Path, foreign: Path) -> None:
    assert run("import", foreign) == f"{folder / 'perceiver-io.safetensors'}\n"
    checkpoint = load_checkpoint("perceiver-io")
    assert checkpoint.config == TINY
    assert checkpoint.metadata == {
        "layout": "krasserm/perceiver-io",
        "source.file": "downloaded.bin",
        "source.sha256": hashlib.sha256(foreign.read_bytes()).hexdigest(),
        "source.published": "unknown",
    }
    assert all(torch.equal(checkpoint.tensors[name], tensor) for name, tensor in random_tensors().items())
    assert run("path", "perceiver-io") == f"{folder / 'perceiver-io.safetensors'}\n"
    assert run("verify", "perceiver-io") == (
        f"perceiver-io: complete, as written by flowcli, sha256 {checkpoint.sha256}\n"
    )


def test_import_under_another_name_with_erf(foreign: Path) -> None:
    run("import", foreign, "--name", "ported", "--gelu", "erf")
    assert load_checkpoint("ported").config == replace(TINY, gelu="erf")
    assert "already exists; use --overwrite" in fail(OutputError, "import", foreign, "--name", "ported")
    run("import", foreign, "--name", "ported", "--overwrite")
    assert load_checkpoint("ported").config == TINY


def test_import_of_our_own_file(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    save_checkpoint(own, replace(TINY, gelu="erf"), random_tensors(), {"recipe": "by hand"})
    run("import", own, "--name", "own")
    assert load_checkpoint("own").metadata["recipe"] == "by hand"
    message = fail(InputError, "import", own, "--name", "other", "--gelu", "tanh")
    assert "expected GELU as the file says, erf" in message
    # The published name is for a network of the published size.
    message = fail(WeightsError, "import", own)
    assert f"expected 41057134 parameters for perceiver-io, found {PARAMETERS}; choose another --name" in message
    assert [path.name for path in folder.iterdir()] == ["own.safetensors"]


def test_import_refuses_before_reading(foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_nothing(*_: object, **__: object) -> None:
        raise AssertionError("the checkpoint was opened")

    monkeypatch.setattr(importing, "load_checkpoint", load_nothing)
    assert "the name dis is taken" in fail(InputError, "import", foreign, "--name", "dis")
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLOWCLI_WEIGHTS", str(tmp_path / "file" / "folder"))
    assert "cannot be made" in fail(OutputError, "import", foreign)


def test_import_of_nothing_and_of_nonsense(folder: Path, tmp_path: Path) -> None:
    assert "found neither" in fail(WeightsError, "import", tmp_path / "absent")
    (tmp_path / "text.safetensors").write_text("no weights at all, but text")
    assert "expected a checkpoint" in fail(WeightsError, "import", tmp_path / "text.safetensors")
    assert list(folder.iterdir()) == []


def test_verify_finds_damage_in_our_own_file(folder: Path) -> None:
    folder.mkdir()
    path = folder / "mine.safetensors"
    save_checkpoint(path, TINY, random_tensors(), {})
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    load_checkpoint("mine")  # one bit of one weight is beyond every check but the digest
    assert re.search("expected tensors of sha256 [0-9a-f]{64}, found [0-9a-f]{64}; the file is damaged", fail(
        WeightsError, "verify", "mine"
    ))  # fmt: skip


def test_verify_knows_published_files(folder: Path, foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = hashlib.sha256(foreign.read_bytes()).hexdigest()
    assert f"complete, but of unknown origin (krasserm/perceiver-io), sha256 {sha256}" in run("verify", foreign)
    folder.mkdir()
    foreign.rename(folder / "perceiver-io.safetensors")
    message = fail(WeightsError, "verify", "perceiver-io")
    assert (
        f"found sha256 {sha256[:12]}...; fetch it again with: flowcli weights pull perceiver-io --overwrite" in message
    )
    file = KnownFile("https://example.org/x", sha256, 1, "a layout")
    monkeypatch.setitem(KNOWN, "perceiver-io", KnownWeights("", "", files=(file,)))
    assert run("verify", "perceiver-io") == f"perceiver-io: as published (a layout), sha256 {sha256}\n"
    run("import", folder / "perceiver-io.safetensors", "--name", "again")
    assert load_checkpoint("again").metadata["source.published"] == "https://example.org/x"


def test_verify_everything(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    embedded = tmp_path / "compact.safetensors"
    for name in ("compact", "coarse"):
        save_checkpoint(tmp_path / f"{name}.safetensors", TINY, random_tensors(), {})
    for module in ("store", "listing"):
        monkeypatch.setattr(
            f"flowcli.checkpoints.{module}.embedded_path", lambda name="compact": tmp_path / f"{name}.safetensors"
        )
    folder.mkdir()
    save_checkpoint(folder / "mine.safetensors", TINY, random_tensors(), {})
    verdicts = json.loads(run("verify", "--json"))
    assert [verdict["name"] for verdict in verdicts] == ["compact", "coarse", "mine"]
    assert verdicts[0]["path"] == str(embedded)
    assert verdicts[0]["sha256"] == hashlib.sha256(embedded.read_bytes()).hexdigest()
    assert run("verify").count("complete, as written by flowcli") == 3


def test_path(folder: Path) -> None:
    assert run("path") == f"{folder}\n"
    assert "fetch them with: flowcli weights pull perceiver-io" in fail(WeightsError, "path", "perceiver-io")


def test_pull_prints_the_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's part is tested in test_download.py; here the file is there already."""
    folder.mkdir()
    (folder / "tested.safetensors").write_bytes(b"content")
    sha256 = hashlib.sha256(b"content").hexdigest()
    file = KnownFile("http://127.0.0.1:1/", sha256, 1, "test")
    monkeypatch.setitem(KNOWN, "tested", KnownWeights("", "", files=(file,)))
    assert run("pull", "tested") == f"{folder / 'tested.safetensors'}\n"
    assert "expected one of compact, coarse, perceiver-io" in fail(WeightsError, "pull", "unheard-of")


def test_pull_everything(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("perceiver-io", "tested"):
        file = KnownFile("http://127.0.0.1:1/", hashlib.sha256(name.encode()).hexdigest(), 1, "test")
        monkeypatch.setitem(KNOWN, name, KnownWeights("", "", files=(file,)))
    folder.mkdir()
    (folder / "tested.safetensors").write_bytes(b"tested")
    (folder / "perceiver-io.safetensors").write_bytes(b"something else")
    result = invoke("pull", "--all")
    # The others are not kept from their weights.
    assert [Path(line).name for line in result.stdout.splitlines()] == [
        "compact.safetensors",
        "coarse.safetensors",
        "tested.safetensors",
    ]
    assert re.fullmatch(r"perceiver-io: .*already exists; use --overwrite to replace it\n", result.stderr)
    assert "1 of 4 weights could not be fetched" in str(result.exception)
    (folder / "perceiver-io.safetensors").write_bytes(b"perceiver-io")
    assert len(run("pull", "--all").splitlines()) == 4


@pytest.mark.parametrize("arguments", [[], ["compact", "--all"]])
def test_pull_takes_one_name_or_all(arguments: list[str]) -> None:
    assert "expected one name of compact, coarse, perceiver-io, or --all" in fail(UsageError, "pull", *arguments)


def test_a_listing_does_not_wait_for_torch() -> None:
    import subprocess
    import sys

    script = (
        "import sys; from flowcli.cli.weights import list_weights; list_weights(); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "perceiver-io" in done.stdout
