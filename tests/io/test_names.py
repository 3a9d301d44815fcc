import os

import pytest

from flowcli.io.names import shorten_name


def test_names_that_fit_stay():
    assert shorten_name("clip_000001", 11) == "clip_000001"


@pytest.mark.parametrize("stem", ["x" * 300, "ä" * 200, os.fsdecode(b"\xff" * 300)])
def test_long_names_fit_and_stay_apart_and_in_order(stem):
    names = [shorten_name(f"{stem}_{k:06d}", 251) for k in range(3)]
    assert all(len(os.fsencode(name)) <= 251 for name in names)
    assert names == sorted(set(names))
    assert len(names) == 3
    assert shorten_name(f"{stem}y_000001", 251) not in names
