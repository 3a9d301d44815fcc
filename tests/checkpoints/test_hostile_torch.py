"""Files of torch.save from strangers: the pickle may claim anything, the archive too."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from published_layouts import MINI, SMALL, Touch, huggingface_tensors, random_model, refuse

from flowcli.checkpoints import load_checkpoint


def test_a_torch_file_that_runs_a_command(tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.pth"
    torch.save({"model_state_dict": {**huggingface_tensors(random_model(MINI)), "x": Touch(marker)}}, path)
    refuse(path, r"wants to run '(posix|nt)\.mkdir', .* nothing was run")
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.is_dir()


def rewrite_zip(path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    change(entries)
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, content in entries.items():
            new.writestr(name, content)


def replace_pickle(old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(entries: dict[str, bytes]) -> None:
        name = next(name for name in entries if name.endswith("data.pkl"))
        assert old in entries[name]
        entries[name] = entries[name].replace(old, new)

    return change


def shrink_storage(entries: dict[str, bytes]) -> None:
    name = next(name for name in entries if name.endswith("data/0"))
    entries[name] = entries[name][:-5]


def remove_storage(entries: dict[str, bytes]) -> None:
    del entries[next(name for name in entries if name.endswith("data/0"))]


def remove_pickle(entries: dict[str, bytes]) -> None:
    del entries[next(name for name in entries if name.endswith("data.pkl"))]


def reverse_bytes(entries: dict[str, bytes]) -> None:
    entries[next(name for name in entries if name.endswith("byteorder"))] = b"big"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (shrink_storage, "claims a storage of [0-9]+ bytes, which the file does not have"),
        (remove_storage, "damaged one .*data/0"),
        (remove_pickle, "it has no data.pkl"),
        (reverse_bytes, "not little-endian"),
        (replace_pickle(b"FloatStorage", b"DoubleStorag"), "wants to run 'torch.DoubleStorag'"),
        (replace_pickle(b"FloatStorage", b"HalfStorage "), "wants to run 'torch.HalfStorage '"),
        (replace_pickle(b"storage", b"stOrage"), "Only persistent_load of storage is allowed"),
    ],
)
def test_torch_files_that_lie(tmp_path: Path, change: Callable[[dict[str, bytes]], None], complaint: str) -> None:
    path = tmp_path / "a.pth"
    torch.save(huggingface_tensors(random_model(MINI)), path)
    rewrite_zip(path, change)
    refuse(path, complaint)


@pytest.mark.parametrize(
    ("tensor", "complaint"),
    [
        (
            torch.zeros(1).expand(2**40),
            r"expected a contiguous tensor, found 'perceiver.embeddings.latents' with strides \(0,\)",
        ),
        (torch.zeros(4, 3).T, "expected a contiguous tensor"),
        (torch.zeros(0), "is missing"),
        ("text", "something else than a dictionary of tensors"),
        (torch.zeros(2, dtype=torch.int16), r"wants to run 'torch\.ShortStorage'"),
    ],
)
def test_torch_values_that_no_checkpoint_has(tmp_path: Path, tensor: object, complaint: str) -> None:
    torch.save({"perceiver.embeddings.latents": tensor}, tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", complaint)


class StorageClaim:
    """Pickles as a reference to a storage of the archive."""

    def __init__(self, kind: object, key: object, count: int = 4) -> None:
        self.identity = ("storage", kind, key, "cpu", count)


class TensorClaim:
    """Pickles as torch pickles a tensor, whatever it claims."""

    def __init__(self, storage: object, offset: object, shape: object, stride: object) -> None:
        self.claim = (storage, offset, shape, stride, False, OrderedDict())

    def __reduce__(self) -> tuple[object, ...]:
        return torch._utils._rebuild_tensor_v2, self.claim  # type: ignore[attr-defined]


class ClaimPickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        return obj.identity if isinstance(obj, StorageClaim) else None


def write_claims(path: Path, *claims: TensorClaim, pickles: int = 1) -> None:
    buffer = io.BytesIO()
    ClaimPickler(buffer, protocol=2).dump({f"tensor {index}": claim for index, claim in enumerate(claims)})
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(pickles):
            archive.writestr(f"archive{index or ''}/data.pkl", buffer.getvalue())
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", bytes(16))


FLOATS = StorageClaim(torch.FloatStorage, "0")


@pytest.mark.parametrize(
    ("claims", "complaint"),
    [
        ([TensorClaim(FLOATS, 0, (4,), (1,))], "not those of a Perceiver IO flow network"),  # an honest one
        ([TensorClaim(FLOATS, -1, (4,), (1,))], "invalid storage offset -1"),
        ([TensorClaim(FLOATS, 1.5, (4,), (1,))], r"set_\(\) received an invalid combination of arguments"),
        ([TensorClaim("text", 0, (4,), (1,))], "no attribute 'dtype'"),
        ([TensorClaim(FLOATS, 1, (4,), (1,))], "resize storage"),
        ([TensorClaim(FLOATS, 0, (2**40,), (1,))], "resize storage"),
        ([TensorClaim(StorageClaim(torch.FloatStorage, "0", 2**40), 0, (2**40,), (1,))], "resize storage"),
        ([TensorClaim(StorageClaim(torch.FloatStorage, "0", 8), 0, (8,), (1,))], "claims a storage of 32 bytes"),
        ([TensorClaim(FLOATS, 0, (2**40, 2**40), (2**40, 1))], "expected a file of torch.save, found a damaged one"),
        ([TensorClaim(FLOATS, 0, (-4,), (1,))], "overflow|negative"),
        ([TensorClaim(FLOATS, 0, ["4"], (1,))], "invalid combination of arguments"),
        ([TensorClaim(FLOATS, 0, (4,), 5)], "invalid combination of arguments"),
        ([TensorClaim(StorageClaim(torch.FloatStorage, "1"), 0, (4,), (1,))], "failed locating file data/1"),
        ([TensorClaim(StorageClaim(torch.FloatStorage, None), 0, (4,), (1,))], "failed locating file data/None"),
        ([TensorClaim(StorageClaim("float", "0"), 0, (4,), (1,))], "no attribute 'dtype'"),
        (
            [TensorClaim(FLOATS, 0, (4,), (1,)), TensorClaim(StorageClaim(torch.HalfStorage, "0"), 0, (8,), (1,))],
            "resize storage",
        ),
    ],
)
def test_torch_tensors_that_lie(tmp_path: Path, claims: list[TensorClaim], complaint: str) -> None:
    write_claims(tmp_path / "a.pth", *claims)
    refuse(tmp_path / "a.pth", complaint)


def test_torch_files_of_too_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_claims(tmp_path / "a.pth", pickles=2)
    refuse(tmp_path / "a.pth", "no data.pkl, or several")
    monkeypatch.setattr("flowcli.checkpoints.torch_zip._MAX_ENTRIES", 1)
    write_claims(tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", "its 3 entries claim more")


def test_a_torch_file_that_holds_no_dictionary(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", "something else than a dictionary of tensors")


def test_a_compressed_torch_file_cannot_grow(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(2**20)}, path)
    rewrite_zip(path, lambda entries: None, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**16
    refuse(path, "entries claim more than the file's")
    torch.save({"a": torch.randint(2**31, (2**10,), dtype=torch.int32).view(torch.float32)}, path)
    rewrite_zip(path, lambda entries: entries.update({"archive/padding": bytes(2**10)}), zipfile.ZIP_DEFLATED)
    path.write_bytes(path.read_bytes() + bytes(2**14))  # large enough for what it claims
    refuse(path, "its entries are compressed")


class Demand:
    """Asks for memory through a function that torch's own loader admits."""

    def __reduce__(self) -> tuple[object, ...]:
        return bytearray, (2**45,)


def test_a_torch_file_that_asks_for_memory(tmp_path: Path) -> None:
    torch.save({"a": Demand()}, tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", r"wants to run '(__builtin__|builtins)\.bytearray'")


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    """Maps of files know no checksums: the archive's own are compared first."""
    torch.save(huggingface_tensors(random_model(MINI)), tmp_path / "a.pth")
    content = bytearray((tmp_path / "a.pth").read_bytes())
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        entry = next(entry for entry in archive.infolist() if entry.filename.endswith("data/0"))
    lengths = struct.unpack_from("<HH", content, entry.header_offset + 26)  # of the name and the padding
    content[entry.header_offset + 30 + sum(lengths)] ^= 1
    (tmp_path / "a.pth").write_bytes(content)
    refuse(tmp_path / "a.pth", "is not what its checksum says")


def test_a_torchscript_program_is_refused_in_one_line(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    torch.save(huggingface_tensors(random_model(MINI)), tmp_path / "a.pth")
    rewrite_zip(tmp_path / "a.pth", lambda entries: entries.update({"a/constants.pkl": b""}))
    refuse(tmp_path / "a.pth", "is a TorchScript program")
    assert not recwarn


def test_tensors_that_share_a_storage_are_counted(tmp_path: Path) -> None:
    """Half precision grows when it is converted: two thousand names for one storage would be a small bomb."""
    model = random_model()
    one = torch.zeros(16 * 16, dtype=torch.float16)
    tensors = {
        name: one[: tensor.numel()].view(tensor.shape) if tensor.numel() <= one.numel() else tensor.half()
        for name, tensor in huggingface_tensors(model).items()
    }
    torch.save(tensors, tmp_path / "a.pth")
    honest = OrderedDict((name, tensor.clone()) for name, tensor in tensors.items())
    torch.save(honest, tmp_path / "b.pth")
    assert load_checkpoint(tmp_path / "b.pth", published=SMALL).config == SMALL
    refuse(tmp_path / "a.pth", "claim more bytes than the file has")


def test_an_entry_that_reaches_beyond_the_end(tmp_path: Path) -> None:
    """zipfile's error has no message of its own."""
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data/0", bytes(100))
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    content = bytearray((tmp_path / "a.pth").read_bytes())
    size = len(content) - 4  # as much as the file has beside the pickle, but this entry begins after its own header
    struct.pack_into("<II", content, content.index(b"PK\1\2") + 20, size, size)
    (tmp_path / "a.pth").write_bytes(content)
    refuse(tmp_path / "a.pth", r"found a damaged one \(EOFError\)")
