"""`pull` against a server on the loopback: whatever it answers, only verified files get their name."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from weights_server import CONTENT, MIB, SHA256, SIZE, Handler, serve

from flowcli.checkpoints import transfer
from flowcli.checkpoints.download import pull
from flowcli.checkpoints.hugging_face import HUB, find_cached, hub_cache
from flowcli.checkpoints.manifest import KNOWN, KnownFile, KnownWeights
from flowcli.errors import OutputError, WeightsError

REPOSITORY = f"{HUB}/owner/repository/resolve/{'0' * 40}"


@pytest.fixture
def server() -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name.startswith(("HF_", "HUGGINGFACE_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "not" / "there" / "yet"
    monkeypatch.setenv("FLOWCLI_WEIGHTS", str(folder))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hugging-face"))
    monkeypatch.setattr(transfer, "PAUSE", 0.001)
    return folder


def publish(monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    # The content of all but the first is another layout of the same weights, as far as a test can tell.
    files = tuple(KnownFile(url, SHA256, 4, "test") for url in urls)
    monkeypatch.setitem(KNOWN, "tested", KnownWeights("for a test", "none", files=files))


def visible(folder: Path) -> list[Path]:
    """What is not for flowcli alone."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def kept(folder: Path) -> list[int]:
    """Sizes of what would be continued."""
    return [path.stat().st_size for path in folder.glob(".*.partial")]


class Bar:
    """Counts, and interrupts like a user where it is asked to."""

    def __init__(self, interrupt_after: int | None = None) -> None:
        self.total: float | None = None
        self.count, self.updates, self.closed = 0.0, 0, False
        self.interrupt_after = interrupt_after

    def update(self, n: float | None = 1, /) -> None:
        self.count += n or 0
        self.updates += 1
        if self.updates == self.interrupt_after:
            raise KeyboardInterrupt

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("answer", ["complete", "moved", "without-length"])
def test_a_complete_file(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    publish(monkeypatch, f"{server}/{answer}")
    bar = Bar()
    path = pull("tested", bar=lambda: bar)
    assert path == folder / "tested.safetensors"
    assert path.read_bytes() == CONTENT
    assert visible(folder) == [path]
    assert kept(folder) == []
    assert (bar.count, bar.total, bar.closed) == (SIZE, None if answer == "without-length" else SIZE, True)
    assert bar.updates > 3


def test_what_is_there_is_not_fetched_again(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{server}/complete")
    first = pull("tested")

    def make_bar() -> Bar:
        raise AssertionError("nothing is fetched, so there is nothing to show")

    assert pull("tested", bar=make_bar) == first
    assert Handler.requests == [("complete", None)]


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ("breaks", [None, f"bytes={3 * MIB // 2}-", f"bytes={3 * MIB}-"]),
        ("stalls-once", [None, f"bytes={MIB}-"]),
        ("busy", [None, None, None]),
        ("knows-no-range", [None, f"bytes={2 * MIB}-"]),
        ("other-range", [None, f"bytes={MIB}-", None]),
        ("other-piece", [None, f"bytes={MIB}-", None]),
    ],
)
def test_what_breaks_off_goes_on(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str, asked: list[str | None]
) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", 0.5)
    publish(monkeypatch, f"{server}/{answer}")
    bar = Bar()
    assert pull("tested", bar=lambda: bar).read_bytes() == CONTENT
    assert Handler.requests == [(answer, range_) for range_ in asked]
    assert bar.count == SIZE
    assert kept(folder) == []


def test_an_interrupted_pull_goes_on_where_it_stopped(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, f"{server}/complete")
    bar = Bar(interrupt_after=4)
    with pytest.raises(KeyboardInterrupt):
        pull("tested", bar=lambda: bar)
    assert bar.closed
    assert visible(folder) == []
    (size,) = kept(folder)
    assert 0 < size < SIZE
    assert pull("tested").read_bytes() == CONTENT
    assert Handler.requests == [("complete", None), ("complete", f"bytes={size}-")]


@pytest.mark.parametrize("content", [CONTENT, CONTENT + b"more", b"of another file"])
def test_what_is_kept_is_not_believed(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    publish(monkeypatch, f"{server}/complete")
    folder.mkdir(parents=True)
    (folder / f".flowcli-{SHA256[:16]}.partial").write_bytes(content)
    assert pull("tested").read_bytes() == CONTENT
    again = [] if content == CONTENT else [("complete", None)]
    assert Handler.requests == [("complete", f"bytes={len(content)}-"), *again]


@pytest.mark.parametrize(
    ("answer", "complaint", "left"),
    [
        (
            "crumbles",
            r"\(the connection ended after 5000 of 4194304 bytes\); try again \(what came is kept\), or",
            [5000],
        ),
        ("silent", r"cannot be fetched \(", []),
        ("missing", r"cannot be fetched \(404 Client Error", []),
        ("short", r"expected sha256 .*, found .* in 4193304 bytes; nothing was kept", []),
        ("corrupted", r"expected sha256 .*, found .* in 4194304 bytes; nothing was kept", []),
        ("login", r"found .* in 26 bytes; nothing was kept", []),
        ("endless", "expected 4 MB, found more than twice that; given up", []),
        ("endless-without-length", "expected 4 MB, found more than twice that; given up", []),
    ],
)
def test_bad_answers_give_nothing(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str, complaint: str, left: list[int]
) -> None:
    publish(monkeypatch, f"{server}/{answer}")
    with pytest.raises(WeightsError, match=complaint) as caught:
        pull("tested")
    assert f"{server}/{answer}" in str(caught.value)
    assert "flowcli weights import FILE" in str(caught.value)
    assert visible(folder) == []
    assert kept(folder) == left


def test_a_byte_now_and_then_is_no_transfer(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "STALL", 0.1)
    monkeypatch.setattr(transfer, "TRIES", 2)
    publish(monkeypatch, f"{server}/trickles")
    with pytest.raises(WeightsError, match=r"cannot be fetched \(stalled: \d+ bytes in 0.1 s\)"):
        pull("tested")
    assert 0 < kept(folder)[0] < 1000
    assert len(Handler.requests) == 2


def test_a_bad_answer_leaves_what_was_there(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{server}/corrupted")
    folder.mkdir(parents=True)
    (folder / "tested.safetensors").write_bytes(b"imported earlier")
    with pytest.raises(OutputError, match="already exists; use --overwrite"):
        pull("tested")
    assert Handler.requests == []
    with pytest.raises(WeightsError, match="nothing was kept"):
        pull("tested", overwrite=True)
    assert [path.read_bytes() for path in visible(folder)] == [b"imported earlier"]
    publish(monkeypatch, f"{server}/complete")
    assert pull("tested", overwrite=True).read_bytes() == CONTENT


def test_the_next_published_file_where_one_cannot_be_had(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = b"the same weights in another layout"
    publish(monkeypatch, f"{server}/crumbles", f"{server}/complete")
    first, second = KNOWN["tested"].files
    files = (KnownFile(first.url, hashlib.sha256(other).hexdigest(), 4, "another"), second)
    monkeypatch.setitem(KNOWN, "tested", KnownWeights("for a test", "none", files=files))
    told: list[str] = []
    assert pull("tested", notify=told.append).read_bytes() == CONTENT
    assert len(told) == 1
    assert told[0].startswith(f"{server}/crumbles: cannot be fetched (")
    assert told[0].endswith("; trying the next published file")
    assert kept(folder) == []
    # It is one of the published files: nothing to fetch, whatever the first would be.
    assert pull("tested") == folder / "tested.safetensors"
    assert [word for word, _ in Handler.requests] == ["crumbles"] * 5 + ["complete"]


def test_every_published_file_is_told_of_when_none_can_be_had(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{server}/missing", f"{server}/login")
    with pytest.raises(WeightsError, match=r"tested: .*/missing: cannot be fetched .*; .*/login: expected sha256"):
        pull("tested")


def test_nobody_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:  # bound but not listening: connections are refused, and nobody else gets the port
        unused.bind(("127.0.0.1", 0))
        publish(monkeypatch, f"http://127.0.0.1:{unused.getsockname()[1]}/complete")
        with pytest.raises(WeightsError, match=r"cannot be fetched \(Connection refused\)"):
            pull("tested")
    assert visible(folder) == kept(folder) == []


def test_two_at_once_fetch_once(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{server}/complete")
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(pull, ["tested", "tested"]))
    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == CONTENT
    assert Handler.requests == [("complete", None)]


def test_a_mirror_of_the_hub(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{REPOSITORY}/complete")
    monkeypatch.setenv("HF_ENDPOINT", f"{server}/mirror/")
    assert pull("tested").read_bytes() == CONTENT
    assert Handler.paths == [f"/mirror/owner/repository/resolve/{'0' * 40}/complete"]


def test_a_mirror_that_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{REPOSITORY}/complete")
    monkeypatch.setenv("HF_ENDPOINT", "hf-mirror.com")
    with pytest.raises(WeightsError, match=r"HF_ENDPOINT: expected an address such as https://.*, got hf-mirror.com"):
        pull("tested")


def test_a_proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "http://weights.invalid/complete")
    monkeypatch.setenv("HTTP_PROXY", server)
    assert pull("tested").read_bytes() == CONTENT
    assert Handler.paths == ["http://weights.invalid/complete"]


def test_a_file_of_the_hugging_face_cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{REPOSITORY}/model.safetensors")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing may be fetched
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    snapshots = tmp_path / "cache" / "models--owner--repository" / "snapshots"
    for revision, content in (("older", b"another revision"), ("newer", CONTENT)):
        (snapshots / revision).mkdir(parents=True)
        (snapshots / revision / "model.safetensors").write_bytes(content)
    assert pull("tested").read_bytes() == CONTENT
    (folder / "tested.safetensors").unlink()
    (snapshots / "newer" / "model.safetensors").write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="cannot be fetched"):
        pull("tested")


def test_the_cache_is_where_the_hubs_own_library_puts_files(server: str, tmp_path: Path) -> None:
    script = f"""
import huggingface_hub
from huggingface_hub import constants
print(constants.HF_HUB_CACHE)
print(huggingface_hub.hf_hub_download("owner/repository", "complete", revision="{"0" * 40}"))
"""
    environment = os.environ | {"HF_ENDPOINT": server, "NO_PROXY": "*", "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    cache, path = done.stdout.splitlines()
    assert hub_cache() == Path(cache)
    found = list(find_cached(f"{REPOSITORY}/complete", SHA256))
    assert [one.read_bytes() for one in found] == [CONTENT, CONTENT]
    assert found[1] == Path(path)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"HOME": "/d"}, "/d/.cache/huggingface/hub"),
    ],
)
def test_the_place_of_the_cache(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name in ("HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert hub_cache() == Path(expected)


def test_names_that_cannot_be_pulled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="unheard-of: expected one of compact, coarse, perceiver-io"):
        pull("unheard-of")
    monkeypatch.setattr("flowcli.checkpoints.download.embedded_path", lambda name: tmp_path)
    assert pull("compact") == tmp_path


def test_a_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLOWCLI_WEIGHTS", str(tmp_path / "file" / "folder"))
    with pytest.raises(OutputError, match=r"folder: cannot be made"):
        pull("perceiver-io")


def test_every_known_file_is_well_formed() -> None:
    files = [file for weights in KNOWN.values() for file in weights.files]
    assert len({file.sha256 for file in files}) == len(files) == 3
    for file in files:
        assert file.url.startswith("https://")
        assert len(bytes.fromhex(file.sha256)) == 32
        # Branches move: the hub's files are named by a whole commit id.
        assert not file.url.startswith(HUB) or len(bytes.fromhex(file.url.split("/")[-2])) == 20
