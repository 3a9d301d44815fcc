"""Everything of flowcli that reads files of strangers; a new reader is a row in one of the modules."""

from __future__ import annotations

from fuzz.target import Target
from fuzz.targets.checkpoints import CHECKPOINTS
from fuzz.targets.film import FILM
from fuzz.targets.flows import FLOWS
from fuzz.targets.images import IMAGES
from fuzz.targets.lists import LISTS
from fuzz.targets.streams import STREAMS
from fuzz.targets.training import TRAINING
from fuzz.targets.videos import VIDEOS

TARGETS: dict[str, Target] = {
    target.name: target for target in (*FLOWS, *IMAGES, *FILM, *VIDEOS, *CHECKPOINTS, *TRAINING, *LISTS, *STREAMS)
}
