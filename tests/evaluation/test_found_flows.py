"""Results of others as files in the published layouts, scored as an estimator is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flowcli.errors import InputError
from flowcli.evaluation.datasets import DATASETS, open_dataset
from flowcli.evaluation.found_flows import find_flows, score_flows
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow

SIZE = (6, 8)
# Data set -> how the first pair's result may be called below the folder.
NAMES = {
    "sintel-clean": ["clean/alley_1/frame_0001.flo", "alley_1/frame_0001.pfm"],
    "sintel-final": ["final/alley_1/frame_0001.flo", "alley_1/frame_0001.npy"],
    "kitti2012": ["000000_10.png", "flow/000000_10.flo", "flow_occ/000000_10.png"],
    "kitti2015": ["flow/000000_10.png", "000000_10.png"],
    "middlebury": ["Grove2/flow10.flo", "Grove2.npz"],
    "chairs": ["00002_flow.flo", "00002.flo", "data/00002_flow.flo"],
    "spring": ["0001/flow_FW_left/flow_FW_left_0001.flo5"],
    "hd1k": ["000000_0010.png", "hd1k_flow_gt/flow_occ/000000_0010.png"],
}


@pytest.mark.parametrize(("dataset", "name"), [(dataset, name) for dataset in NAMES for name in NAMES[dataset]])
def test_a_result_is_found_by_its_published_names(
    make_dataset: Callable[[str], Path], tmp_path: Path, dataset: str, name: str
) -> None:
    pair = open_dataset(dataset, make_dataset(dataset))[0]
    truth = pair.read_truth().uv[0, 0]
    path = tmp_path / "mine" / name
    path.parent.mkdir(parents=True)
    write_flow(path, FlowField(np.broadcast_to(truth + np.array([3, 4], np.float32), (*SIZE, 2)).copy()))
    (paths,) = [find_flows(tmp_path / "mine", [pair])]
    assert paths == [path]
    (result,) = score_flows(paths, [pair])
    assert (result.errors.value("epe"), result.seconds) == (5, 0)
    assert result.pair is pair


def test_every_data_set_has_names() -> None:
    assert NAMES.keys() == DATASETS.keys()


def test_what_is_missing_or_twofold_is_named(make_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    pairs = open_dataset("kitti2015", make_dataset("kitti2015"))
    folder = tmp_path / "mine"
    with pytest.raises(InputError, match="expected a folder of flow files"):
        find_flows(folder, pairs)
    folder.mkdir()
    flow = FlowField(np.zeros((*SIZE, 2), np.float32))
    write_flow(folder / "000000_10.flo", flow)
    with pytest.raises(InputError, match=r"kitti2015 000007_10, found no flow/000007_10\.\* or 000007_10\.\*"):
        find_flows(folder, pairs)
    write_flow(folder / "000000_10.npy", flow)
    with pytest.raises(InputError, match="expected one flow file of a name"):
        find_flows(folder, pairs)


def test_a_gap_where_the_truth_is_known_is_an_error(make_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    pair = open_dataset("kitti2015", make_dataset("kitti2015"))[0]
    uv = np.zeros((*SIZE, 2), np.float32)
    uv[0, 0] = np.nan
    write_flow(tmp_path / "000000_10.npy", FlowField.with_unknown(uv))
    with pytest.raises(InputError, match=r"000000_10\.npy: expected an estimate at every pixel .* got none at 1 of 40"):
        list(score_flows(find_flows(tmp_path, [pair]), [pair]))
