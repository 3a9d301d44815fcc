"""The weights that flowcli knows by name: where they lie, how they are recognised, what is published about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class KnownFile:
    """One published file.

    Attributes:
        url: where it can be had.
        sha256: its digest, which also recognises a copy.
        megabytes: its size as the publisher's page gives it.
        layout: what wrote it.
    """

    url: str
    sha256: str
    megabytes: int
    layout: str


@dataclass(frozen=True)
class KnownWeights:
    """One set of weights; `files` hold the same values in different layouts, and `pull` tries them in turn.

    Attributes:
        description: one line.
        licence: of the weights, as their publisher states it.
        parameters: how many numbers were trained; None: the file itself tells.
        epe: published mean end-point error in pixels by data set; empty: the file's metadata tell.
        files: published files; empty for the embedded weights.
    """

    description: str
    licence: str
    parameters: int | None = None
    epe: Mapping[str, float] = field(default_factory=dict)
    files: tuple[KnownFile, ...] = ()


EMBEDDED, COARSE = "compact", "coarse"
"""The network of residuals, which is the default model, and the coarse network that starts its estimates."""

KNOWN: dict[str, KnownWeights] = {
    EMBEDDED: KnownWeights("the embedded default, trained by flowcli train", licence="Apache-2.0"),
    COARSE: KnownWeights("the embedded start of its estimates, trained by flowcli train", licence="Apache-2.0"),
    # Licence: README of google-deepmind/deepmind-research/perceiver; the Hugging Face card says Apache-2.0.
    # Revisions are pinned by full commit ids: 3aa2a2f added the safetensors (merged into main as 9c7927a), 18592a2 is
    # the first commit on main, with the .bin.
    # Errors: Hugging Face card of deepmind/optical-flow-perceiver, from table 4 of the Perceiver IO paper.
    "perceiver-io": KnownWeights(
        "the published Perceiver IO network, trained by DeepMind on AutoFlow",
        licence="CC-BY-4.0",
        parameters=41_057_134,
        epe={"sintel-clean": 1.81, "sintel-final": 2.42, "kitti": 4.98},
        files=(
            KnownFile(
                "https://huggingface.co/deepmind/optical-flow-perceiver/resolve/"
                "3aa2a2f19ab717dae518732f21e0fc119230ccf8/model.safetensors",
                "fcfa0b3bf2801006764051216407c1fed359f6611dc377cf0ebe762b5848cf85",
                164,
                "Hugging Face safetensors",
            ),
            KnownFile(
                "https://storage.googleapis.com/perceiver_io/optical_flow_checkpoint.pystate",
                "3c45151e0a4c32b71df1747627bc847678e49c99770998e949787848fb62c0ae",
                164,
                "DeepMind haiku pickle",
            ),
            KnownFile(
                "https://huggingface.co/deepmind/optical-flow-perceiver/resolve/"
                "18592a215e3d9ab3d89ea20dedf5edf9b84996ff/pytorch_model.bin",
                "3633a73cec625d7d5fcf77a087893d8035da26e74f4083a99b45db35734455dd",
                164,
                "Hugging Face .bin",
            ),
        ),
    ),
}


def find_published(sha256: str) -> KnownFile | None:
    """Return the published file with this digest, if there is one."""
    for weights in KNOWN.values():
        for file in weights.files:
            if file.sha256 == sha256:
                return file
    return None
