"""Files of torch.save from strangers: the pickle may claim anything, the archive too."""

from __future__ import annotations

import io
import pickle
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
        (shrink_storage, "no whole number of values|reaches beyond its storage"),
        (remove_storage, "damaged one .*data/0"),
        (remove_pickle, "it has no data.pkl"),
        (reverse_bytes, "not little-endian"),
        (replace_pickle(b"FloatStorage", b"DoubleStorag"), "wants to run 'torch.DoubleStorag'"),
        (replace_pickle(b"FloatStorage", b"HalfStorage "), "wants to run 'torch.HalfStorage '"),
        (replace_pickle(b"storage", b"stOrage"), "expected a reference to a storage"),
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
        (torch.zeros(1).expand(2**40), r"expected a contiguous tensor, found strides \(0,\)"),
        (torch.zeros(4, 3).T, "expected a contiguous tensor"),
        (torch.zeros(0), "is missing"),
        ("text", "something else than a dictionary of tensors"),
        (torch.zeros(2, dtype=torch.int64), r"wants to run 'torch\.LongStorage'"),
    ],
)
def test_torch_values_that_no_checkpoint_has(tmp_path: Path, tensor: object, complaint: str) -> None:
    torch.save({"perceiver.embeddings.latents": tensor}, tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", complaint)


class StorageClaim:
    """Pickles as a reference to a storage of the archive."""

    def __init__(self, kind: object, key: object) -> None:
        self.identity = ("storage", kind, key, "cpu", 4)


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
        archive.writestr("archive/data/0", bytes(16))


FLOATS = StorageClaim(torch.FloatStorage, "0")


@pytest.mark.parametrize(
    ("claims", "complaint"),
    [
        ([TensorClaim(FLOATS, 0, (4,), (1,))], "not those of a Perceiver IO flow network"),  # an honest one
        ([TensorClaim(FLOATS, -1, (4,), (1,))], "storage or offset makes no sense"),
        ([TensorClaim(FLOATS, 1.5, (4,), (1,))], "storage or offset makes no sense"),
        ([TensorClaim("text", 0, (4,), (1,))], "storage or offset makes no sense"),
        ([TensorClaim(FLOATS, 1, (4,), (1,))], r"shape \(4,\) reaches beyond its storage"),
        ([TensorClaim(FLOATS, 0, (2**40,), (1,))], "reaches beyond its storage"),
        ([TensorClaim(FLOATS, 0, (2**40, 2**40), (2**40, 1))], "expected a file of torch.save, found a damaged one"),
        ([TensorClaim(FLOATS, 0, (-4,), (1,))], "expected whole numbers as shape"),
        ([TensorClaim(FLOATS, 0, [4], (1,))], "expected whole numbers as shape"),
        ([TensorClaim(FLOATS, 0, (4,), 5)], "expected a contiguous tensor, found strides 5"),
        ([TensorClaim(StorageClaim(torch.FloatStorage, "1"), 0, (4,), (1,))], "no item named 'archive/data/1'"),
        ([TensorClaim(StorageClaim(torch.FloatStorage, 0), 0, (4,), (1,))], "expected a reference to a storage"),
        ([TensorClaim(StorageClaim("float", "0"), 0, (4,), (1,))], "expected a reference to a storage"),
        (
            [TensorClaim(FLOATS, 0, (4,), (1,)), TensorClaim(StorageClaim(torch.HalfStorage, "0"), 0, (8,), (1,))],
            "storage '0' is claimed to be of two types",
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
    refuse(tmp_path / "a.pth", "its 2 entries claim more")


def test_a_torch_file_that_holds_no_dictionary(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", "something else than a dictionary of tensors")


def test_a_compressed_torch_file_cannot_grow(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(2**20)}, path)
    rewrite_zip(path, lambda entries: None, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**16
    refuse(path, "entries claim more than the file's")


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
