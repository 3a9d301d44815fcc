"""Small files that would become large in memory: each is one line, within 256 MiB of what its bytes are."""

from __future__ import annotations

import json
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from memory_peak import measure_peak
from published_layouts import MINI, SMALL, haiku_parameters, random_model, refuse, write_haiku

from flowcli.checkpoints import load_checkpoint, save_checkpoint
from flowcli.model.config import TINY, ModelConfig
from flowcli.model.perceiver import fourier_positions

# A process each, whose memory is measured: .ci/run has them, the default run has not.
pytestmark = pytest.mark.slow


SPARE = 2**28


def write_header(path: Path, header: bytes) -> None:
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def write_config(path: Path, **changes: object) -> None:
    config = json.dumps({**asdict(TINY), **changes})
    write_header(path, json.dumps({"__metadata__": {"flowcli.config": config}}).encode())


def text(content: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(content)) + content


def one_text_as_bytes_many_times(path: Path) -> None:
    opening = b"\x80\x02" + text(b"x" * 2**20) + b"q\x000c_codecs\nencode\nq\x010" + text(b"latin1") + b"q\x020"
    arrays = (text(b"%05d" % index) + b"h\x01h\x00h\x02\x86R" for index in range(2700))
    path.write_bytes(opening + b"}" + text(b"module") + b"}(" + b"".join(arrays) + b"us.")


def one_name_many_times(path: Path) -> None:
    array = pickle.dumps(np.zeros(1, np.float32), 2)
    named = bytes([sum(opcode.name == "BINPUT" for opcode, _, _ in pickletools.genops(array))])
    opening = array[:-1] + b"0" + text(b"x" * 2**20) + b"q" + named + b"0"
    stored = bytes([9])  # what _reconstruct returns
    modules = (text(b"%05d" % index) + b"}h" + named + b"h" + stored + b"s" for index in range(2700))
    path.write_bytes(opening + b"}(" + b"".join(modules) + b"u.")


def many_dictionaries(path: Path) -> None:
    path.write_bytes(b"\x80\x02" + b"}" * 2**23 + b".")


def many_dictionaries_in_a_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"}" * 2**23 + b".")


def many_entries_in_a_zip(path: Path) -> None:
    """A directory of 30 MB, which zipfile would read whole and make objects of."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"\x80\x02}.")
    content = path.read_bytes()
    directory = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    entries = content[directory:end] * (30_000_000 // (end - directory))
    tail = bytearray(content[end:])
    struct.pack_into("<I", tail, 12, len(entries))
    path.write_bytes(content[:directory] + entries + tail)


def a_tuple_of_tuples(path: Path) -> None:
    """Forty tuples, each of them twice in the next: 2^40 steps to make a key of the last."""
    doubled = (b"h" + bytes([index]) + b"h" + bytes([index]) + b"\x86q" + bytes([index + 1]) for index in range(40))
    path.write_bytes(b"\x80\x02K\x01q\x00" + b"".join(doubled) + b"}h\x28K\x01s.")


def a_tuple_of_tuples_in_a_zip(path: Path) -> None:
    a_tuple_of_tuples(path)
    content = path.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)


def a_wide_text(path: Path) -> None:
    path.write_bytes(b"\x80\x02" + text(b"x" * 2**22 + "\U0001f300".encode()) + b".")


def a_header_of_lists(path: Path) -> None:
    write_header(path, b'{"__metadata__":{},"a":[' + b"[]," * 2**23 + b"[]]}")


ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "one text as bytes": (one_text_as_bytes_many_times, "claim more bytes than the file has"),
    "one name": (one_name_many_times, "expected names of at most 1000 letters"),
    "dictionaries": (many_dictionaries, "more than 262144 steps"),
    "dictionaries, zip": (many_dictionaries_in_a_zip, "more than 262144 steps"),
    "directory of a zip": (many_entries_in_a_zip, "a part of it claims [0-9]+ bytes"),
    "tuples": (a_tuple_of_tuples, "a tuple of more than 1024 values"),
    "tuples, zip": (a_tuple_of_tuples_in_a_zip, "a tuple of more than 1024 values"),
    "wide text": (a_wide_text, "a long text that spells no bytes"),
    "header": (a_header_of_lists, "a header longer than the file or than 4 MiB"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_small_files_stay_small(tmp_path: Path, attack: str) -> None:
    write, complaint = ATTACKS[attack]
    write(tmp_path / "a")
    refuse(tmp_path / "a", complaint)
    before = "from flowcli.checkpoints import load_checkpoint\nimport flowcli.checkpoints.loading"
    peak, outcome = measure_peak(before, "load_checkpoint(Path(sys.argv[1]))", tmp_path / "a")
    assert outcome.startswith("WeightsError: ")
    assert peak < SPARE


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"latent_width": 2**62}, "sizes of at most 1048576"),
        ({"features": 2**70}, "sizes of at most 1048576"),
        ({"latents": 2**62}, "sizes of at most 1048576"),
        ({"decoder_width": 2**62}, "sizes of at most 1048576"),
        ({"pixel_network": "gated", "pixel_width": 2**62}, "sizes of at most 1048576"),
        ({"tile": [4096, 4096]}, "tiles of at most 1048576 pixels"),
        ({"tile": [1024, 1024], "position_bands": 100}, "256 MiB of positions"),
        ({"layers": 2000}, "1024 layers"),
        ({"flow_scale": 10**400}, "expected a positive flow_scale"),
        ({"flow_scale": True}, "expected a positive flow_scale"),
        ({"position_nyquist": "1"}, "position_nyquist"),
    ],
)
def test_networks_beyond_any_machine(tmp_path: Path, changes: dict[str, object], complaint: str) -> None:
    write_config(tmp_path / "a", **changes)
    refuse(tmp_path / "a", complaint)


@pytest.mark.parametrize("side", ["1e999", "1e3", "-1", '"4"', str(2**63), str(2**70), "true", "9" * 5000])
def test_shapes_beyond_the_file(tmp_path: Path, side: str) -> None:
    write_header(
        tmp_path / "a",
        b'{"perceiver.embeddings.latents":{"dtype":"F32","shape":[0,%s],"data_offsets":[0,0]}}' % side.encode(),
    )
    refuse(tmp_path / "a", "expected a safetensors file, found a damaged header")


def test_a_large_haiku_file_is_held_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of the file, of its arrays and of the network do not stand beside each other."""
    config = replace(SMALL, latent_width=1024, layers=4)
    write_haiku(tmp_path / "a", haiku_parameters(random_model(config)), monkeypatch)
    size = (tmp_path / "a").stat().st_size
    assert size > 40 * 2**20
    before = (
        "from flowcli.checkpoints import load_checkpoint\nfrom flowcli.model.config import ModelConfig\n"
        "import flowcli.checkpoints.loading, torch, json\ntorch.ones(10).to(torch.float64).isfinite().all()\n"
        "config = ModelConfig.from_dict(json.loads(sys.argv[2]))"
    )
    work = "load_checkpoint(Path(sys.argv[1]), published=config)"
    peak, outcome = measure_peak(before, work, tmp_path / "a", json.dumps(config.to_dict()))
    assert outcome == "done"
    assert peak < 1.6 * size


def test_positions_take_no_more_than_their_table() -> None:
    before = "import torch\nfrom flowcli.model.perceiver import fourier_positions\nfourier_positions(4, 4, 4)"
    peak, outcome = measure_peak(before, "fourier_positions(1000, 1000, 16)")
    assert outcome == "done"
    assert peak < 1.1 * 1000 * 1000 * 66 * 4


@pytest.mark.parametrize("config", [TINY, MINI, SMALL, replace(TINY, position_nyquist=0.5, tile=(7, 33))])
def test_positions_are_those_of_the_paper(config: ModelConfig) -> None:
    height, width = config.tile
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    nyquist, bands = config.position_nyquist, config.position_bands
    angles = [
        side[..., None] * torch.linspace(1, nyquist * size / 2, bands) * torch.pi
        for side, size in ((y, height), (x, width))
    ]
    both = torch.cat(angles, dim=-1)
    expected = torch.cat((y[..., None], x[..., None], both.sin(), both.cos()), dim=-1).flatten(0, 1)
    assert torch.equal(fourier_positions(height, width, bands, nyquist), expected)


def test_a_shared_array_is_still_one_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pickles name an object twice where two parameters are the same array; it is converted once."""
    parameters = haiku_parameters(random_model())
    module = parameters["perceiver_encoder/~/self_attention/layer_norm"]
    assert isinstance(module, dict)
    module["offset"] = module["scale"]
    write_haiku(tmp_path / "a", parameters, monkeypatch)
    tensors = load_checkpoint(tmp_path / "a", published=SMALL).tensors
    assert torch.equal(tensors["encoder.layers.0.norm.weight"], tensors["encoder.layers.0.norm.bias"])


def test_the_largest_tile_takes_its_positions_and_little_more(tmp_path: Path) -> None:
    """A small file whose network has a tile of a megapixel: 260 MB of positions, from the file to the estimator."""
    config = replace(TINY, tile=(1024, 1024), position_bands=15)
    save_checkpoint(tmp_path / "a.safetensors", config, random_model(config).state_dict(), {})
    before = (
        "import flowcli, numpy as np\n"
        "from flowcli.checkpoints import load_checkpoint, build_model\n"
        "from flowcli.model.folded import network\n"
        "frame = np.zeros((8, 8, 3), np.uint8)\nflowcli.Estimator().flow(frame, frame)"
    )
    peak, outcome = measure_peak(
        before, "flowcli.Estimator(sys.argv[1]).flow(frame, frame)", tmp_path / "a.safetensors"
    )
    assert outcome == "done"
    assert peak < 1024 * 1024 * config.position_width * 4 + SPARE
