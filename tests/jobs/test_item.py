from fractions import Fraction

from flowcli.io.frames import Moment, Selection
from flowcli.jobs.item import BatchSettings, ItemJob
from flowcli.jobs.plan import BatchItem


def test_segments_of_one_item_are_not_inside_those_of_another(tmp_path):
    settings = BatchSettings(None, None, ".mp4")
    outer, inner = (ItemJob(BatchItem(name, (name,)), settings, tmp_path).segments for name in ("a", "a/b"))
    assert outer != inner
    assert outer not in inner.parents


def test_settings_tell_frames_from_seconds():
    def describe(value):
        return BatchSettings(None, None, ".mp4", selection=Selection(start=Moment(value))).describe()

    assert describe(5) != describe(Fraction(5))
    assert describe(5) == describe(5)
