from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcli.runtime.grid import Grid, TileGrid, blend_weights

PUBLISHED_TILE = (368, 496)


def published_offsets(length: int, tile: int, overlap: int) -> list[int]:
    """The published rule, word for word: multiples of tile - overlap, the last replaced by length - tile."""
    offsets = list(range(0, length, tile - overlap))
    offsets[-1] = length - tile
    return offsets


def is_valid(offsets: list[int]) -> bool:
    return offsets[0] == 0 and sorted(set(offsets)) == offsets


def check_axis(offsets: list[int], length: int, tile: int, overlap: int) -> None:
    assert offsets[0] == 0
    assert offsets[-1] + tile == length
    assert sorted(set(offsets)) == offsets
    steps = np.diff(offsets)
    assert (steps <= tile - overlap).all()


@pytest.mark.parametrize("grid", ["even", "published"])
@pytest.mark.parametrize(("tile", "overlap"), [(368, 20), (496, 20), (48, 12), (64, 0), (16, 15), (1, 0)])
def test_every_length_is_covered_without_repeats(grid: Grid, tile: int, overlap: int) -> None:
    for length in range(1, 2200, 1 if tile > 100 else 7):
        rows = TileGrid((length, tile), (tile, tile), overlap, grid).rows
        check_axis(rows, max(length, tile), tile, overlap)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 8192), st.integers(1, 8192), st.integers(0, 40))
def test_tiles_cover_the_padded_frame_and_stay_inside(height: int, width: int, overlap: int) -> None:
    grid = TileGrid((height, width), (48, 64), overlap)
    check_axis(grid.rows, grid.padded[0], 48, overlap)
    check_axis(grid.columns, grid.padded[1], 64, overlap)
    assert len(grid.offsets) == len(grid.rows) * len(grid.columns) == len(set(grid.offsets))


@pytest.mark.parametrize("axis", [0, 1])
def test_published_grid_is_kept_exactly_where_it_is_valid(axis: int) -> None:
    tile = PUBLISHED_TILE[axis]
    kept = replaced = 0
    for length in range(tile, 4000):
        frame = (length, 496) if axis == 0 else (368, length)
        grid = TileGrid(frame, PUBLISHED_TILE, 20, "published")
        ours, theirs = (grid.rows, grid.columns)[axis], published_offsets(length, tile, 20)
        if is_valid(theirs):
            assert ours == theirs
            kept += 1
        else:
            replaced += 1
    assert kept > 3000
    assert replaced > 0


def test_sizes_at_which_the_published_grid_breaks() -> None:
    # 1920 columns: the published rule gives 0 476 952 1428 1424; 368x496 gives the same tile four times.
    assert published_offsets(1920, 496, 20) == [0, 476, 952, 1428, 1424]
    assert TileGrid((1080, 1920), PUBLISHED_TILE, 20, "published").columns == [0, 474, 949, 1424]
    assert len(TileGrid((1080, 1920), PUBLISHED_TILE, 20, "published").offsets) == 16
    assert TileGrid((368, 496), PUBLISHED_TILE, 20, "published").offsets == [(0, 0)]


def test_a_small_frame_is_padded_to_one_tile() -> None:
    grid = TileGrid((1, 3), (48, 64), 12)
    assert grid.padded == (48, 64)
    assert grid.offsets == [(0, 0)]


def test_weights_are_the_published_pyramid() -> None:
    weights = blend_weights((5, 4))
    assert weights.tolist() == [[1, 1, 1, 1], [1, 2, 2, 1], [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1]]
    assert blend_weights(PUBLISHED_TILE).max() == 184
    assert blend_weights((48, 64), cap=12).max() == 12
    assert blend_weights((48, 64), cap=0).min() == 1


@pytest.mark.parametrize(
    ("frame", "tile", "overlap", "expected"),
    [
        ((0, 5), (4, 4), 0, "at least one pixel"),
        ((5, 5), (4, 0), 0, "at least one pixel"),
        ((5, 5), (4, 4), 4, "overlap from 0 to 3"),
        ((5, 5), (4, 4), -1, "overlap from 0 to 3"),
    ],
)
def test_impossible_grids_are_refused(
    frame: tuple[int, int], tile: tuple[int, int], overlap: int, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        TileGrid(frame, tile, overlap)
