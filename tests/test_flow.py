"""FlowField as a value: array, equality, what it refuses."""

import numpy as np
import pytest

from flowcli.errors import InputError
from flowcli.flow import FlowField

UV = np.arange(24, dtype=np.float32).reshape(3, 4, 2)


def test_it_is_an_array():
    field = FlowField(UV)
    np.testing.assert_array_equal(np.asarray(field), UV)
    assert np.asarray(field, np.float64).dtype == np.float64
    assert np.array(field).flags.writeable
    assert np.linalg.norm(field, axis=2).shape == (3, 4)
    with pytest.raises(ValueError, match="told not to"):
        field.__array__(np.dtype(np.float64), copy=False)


def test_equality_is_by_value():
    valid = np.ones((3, 4), bool)
    valid[0, 0] = False
    other = UV.copy()
    other[0, 0] = 99
    assert FlowField(UV) == FlowField(UV.copy())
    assert FlowField(UV, valid) == FlowField(other, valid)
    assert FlowField(UV) != FlowField(other)
    assert FlowField(UV) != FlowField(UV, valid)
    assert FlowField(UV) != FlowField(UV[:, :3].copy())
    assert FlowField(UV) != "flow"
    with pytest.raises(TypeError, match="unhashable"):
        hash(FlowField(UV))


@pytest.mark.parametrize("uv", [UV.astype(np.float64), UV[..., 0], UV[:0], np.full((2, 2, 2), np.nan, np.float32)])
def test_what_is_no_flow_is_refused(uv):
    with pytest.raises(InputError, match="expected"):
        FlowField(uv)
