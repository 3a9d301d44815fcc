"""What several tests of batches share: settings, an interrupt, and the files that a run leaves."""

from flowcli.jobs.settings import BatchSettings
from flowcli.output.writer import Appearance

SETTINGS = BatchSettings(".flo", ".flo", ".mp4", look=Appearance(scale=5.0))


class Interrupt(BaseException):
    """Stands for Ctrl-C."""


def results(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".flowcli" not in path.relative_to(folder).parts
    }
