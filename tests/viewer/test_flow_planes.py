"""Packed planes, read back by an independent reading of the description in flowcli/viewer/planes.py."""

import zlib

import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.viewer.planes import COARSEST_STEP, Plane, pack_flow, pack_plane

MUCH = 10**9


def unpack(plane: Plane, size: tuple[int, int]) -> np.ndarray:
    count = plane.bits // 8
    octets = np.frombuffer(zlib.decompress(plane.data), np.uint8).reshape(count, *size)
    words = sum(octets[n].astype(np.uint64) << np.uint64(8 * n) for n in range(count))
    assert isinstance(words, np.ndarray)
    total = np.cumsum(words, axis=1, dtype=np.uint64)
    if plane.filter == "plane":
        total = np.cumsum(total, axis=0, dtype=np.uint64)
    return (total & np.uint64(2**plane.bits - 1)).astype(f"u{count}")


def unpack_flow(field: FlowField, budget: int = MUCH) -> np.ndarray:
    packed = pack_flow(field, budget)
    read = {
        "float32": lambda words: words.view(np.float32),
        "float16": lambda words: words.view(np.float16).astype(np.float32),
        "fixed16": lambda words: words.view(np.int16) * np.float32(packed.step),
    }[packed.kind]
    uv = np.stack([read(unpack(plane, field.size)) for plane in (packed.u, packed.v)], axis=-1)
    if packed.known is not None:
        uv[unpack(packed.known, field.size) == 0] = np.nan
    return uv


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("smooth", [False, True])
def test_planes_come_back(dtype, smooth):
    random = np.random.default_rng(1)
    words = random.integers(0, np.iinfo(dtype).max, (13, 17), dtype, endpoint=True)
    if smooth:
        y, x = np.mgrid[:13, :17]
        words = (5 * x + 3 * y + 250).astype(dtype)
        assert pack_plane(words).filter == "plane"
    np.testing.assert_array_equal(unpack(pack_plane(words), words.shape), words)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("fixed16", [3.0, -0.25, 511.5, 0]),
        ("fixed16", [0, 0, 0, 0]),
        ("float16", np.float32(np.float16([0.1, -3e-5, 12345, 60000])).tolist()),
        ("float32", [0.1, 1e-30, -4e8, 7]),
    ],
)
@pytest.mark.parametrize("unknown", [False, True])
def test_flow_comes_back_exactly(kind, values, unknown):
    uv = np.repeat(np.float32(values).reshape(1, 2, 2), 3, axis=0)
    if unknown:
        uv[0, 0] = uv[2, 1] = np.nan
    field = FlowField.with_unknown(uv)
    assert pack_flow(field, MUCH).kind == kind
    assert pack_flow(field, MUCH).exact
    np.testing.assert_array_equal(unpack_flow(field), uv)


def test_little_room_costs_digits_but_not_more_than_kitti():
    uv = np.random.default_rng(0).normal(0, 5, (64, 64, 2)).astype(np.float32)
    exact = pack_flow(FlowField(uv), MUCH)
    some = pack_flow(FlowField(uv), exact.size // 2)
    assert (some.kind, some.exact) == ("fixed16", False)
    assert some.size <= exact.size // 2
    assert np.abs(unpack_flow(FlowField(uv), exact.size // 2) - uv).max() <= some.step / 2
    least = pack_flow(FlowField(uv), 1)
    assert least.step == COARSEST_STEP
    assert least.describe() == "16 bits, steps of 1/64 px, rounded"
    assert np.abs(unpack_flow(FlowField(uv), 1) - uv).max() <= COARSEST_STEP / 2


def test_flow_beyond_16_bits_stays_exact_whatever_the_room():
    uv = np.array([[[1000.123, 0.1]]], np.float32)
    assert pack_flow(FlowField(uv), 1).kind == "float32"
    np.testing.assert_array_equal(unpack_flow(FlowField(uv), 1), uv)
