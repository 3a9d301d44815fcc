"""Every tunable of the coarse-to-fine method, with its source or its measurement, and the presets.

"Measured" means endpoint error on real pairs (`flowcli evaluate`); weights/README.md has the tables. Sizes are in
pixels of the level in question, brightness runs from -1 to 1. What only decides how the work is cut up for memory and
threads stands beside the code it cuts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """How the levels are laid out and what happens at each; what the presets change.

    Attributes:
        factor: size of a level relative to the next finer one. Measured: 0.5 leaves residuals that the network cannot
            see from 3x3 patches (Middlebury Urban2 4.6 px, 3.1 with 0.7).
        matched: the estimate starts from an exhaustive match of the level whose shorter side is nearest to this. The
            time of the match grows with its fourth power.
        smallest: shortest side of the coarsest level of frames that cannot be matched; they start from zero.
        both: share of the full size up to which both directions are estimated and checked against each other.
        variational: variational refinement updates the flow as well, before the network and on what it answers.
        asked: share of the full size up to which the residual network is asked; beyond, and up to `finest`, variational
            refinement works alone. At the first level it is always asked, and up to `finest` without refinement.
        finest: share of the full size beyond which the flow is enlarged as it is.
        rounds: rounds of variational refinement and weighted median at full size.
        overlap: overlap of the network's tiles.
    """

    factor: float = 0.7
    matched: int = 60
    smallest: int = 24
    both: float = 0.5
    variational: bool = True
    asked: float = 0.25
    finest: float = 0.71
    rounds: int = 3
    overlap: int = 8


DEFAULT_PRESET = "balanced"
PRESETS = {
    # The network at the matched level only.
    "fast": Config(both=0.36, asked=0.0, finest=0.5, rounds=2),
    "balanced": Config(),
    "best": Config(both=0.71, asked=0.5, finest=1.0, rounds=4, overlap=12),
}
"""How much work a pair gets: error against time; weights/README.md has the measured curve."""


@dataclass(frozen=True)
class Match:
    """The exhaustive match of one small level, with semi-global aggregation (Hirschmueller, PAMI 2008).

    Attributes:
        smallest: frames with a shorter side than this are not matched: there is too little to tell motions apart.
        most_costs: displacements of pixels compared at most, which very long frames exceed; 16:9 needs 8 million.
        reach_short: longest displacement along the shorter side, as a share of it.
        reach_long: the same along the longer side, as a share of the shorter one.
        coarser: factors of the coarser matches, which reach farther (`reach.py`). Measured with frame 2 of the real
            pairs moved by 0.45 of the shorter side (`tests/moved_pairs.py`): sintel 185 to 2.8 px.
        smallest_coarser: frames with a shorter side than this are not matched for it.
        seen: share of its reach up to which a match is trusted to see a motion.
        unit: descriptors are whole numbers in 1/128, so that costs are int16: half the memory of float32.
        clip: largest difference that counts, in units.
        step: cost of a step to the neighbouring displacement, in units; a pixel's own difference is 0 to 3 x clip.
        jump: cost of any other change of the displacement, in units.
        brightness_weight: of brightness freed of its local mean and contrast, beside the gradients.
        normalised: side of the window of that mean.
        summed: pixels whose costs are added before the paths: 3x3. Four paths of them stay below 2^15.
        tolerance: squared pixels by which the two directions may differ: the match is right to a fraction of one.
        still_window: side of the window in which the match has to explain the frames better than no motion.
    """

    smallest: int = 16
    most_costs: int = 2**25
    reach_short: float = 0.22
    reach_long: float = 0.3
    coarser: tuple[int, ...] = (2, 4)
    smallest_coarser: int = 8
    seen: float = 0.85
    unit: int = 128
    clip: int = 64
    step: int = 25
    jump: int = 128
    brightness_weight: float = 0.35
    normalised: int = 7
    summed: int = 9
    tolerance: float = 1.0
    still_window: int = 15


@dataclass(frozen=True)
class Photometric:
    """The cost that compares two flows: clipped differences of brightness and gradients, averaged over a window.

    Attributes:
        gradient_weight: of a gradient beside brightness.
        clip: largest difference per channel, so that an occluded pixel does not outweigh its surroundings.
        inconsistent: least cost of a pixel whose motion the opposite direction does not confirm.
        leaves: cost of a pixel whose flow leaves the frame, in the fusion of candidates; elsewhere it is `clip`.
    """

    gradient_weight: float = 4.0
    clip: float = 0.5
    inconsistent: float = 0.3
    leaves: float = 0.15


@dataclass(frozen=True)
class Consistency:
    """Forward-backward check (Sundaram et al., ECCV 2010) with UnFlow's thresholds (Meister et al., AAAI 2018).

    Attributes:
        alpha: tolerance as a share of the squared motion.
        beta: tolerance in square pixels.
    """

    alpha: float = 0.01
    beta: float = 0.5


@dataclass(frozen=True)
class Gate:
    """When an update is kept.

    Attributes:
        window: side of the window of the photometric cost.
        growth: an update is kept where the cost grows by at most this factor ...
        tolerance: ... plus this. Measured: Urban2 3.33 to 2.17 px, Venus 1.35 to 1.22 with the gate.
        least_gain: a variational update has to lower the cost by this: where there is nothing to see it follows noise
            and compression. Measured: weights/README.md, "What helped".
    """

    window: int = 9
    growth: float = 1.02
    tolerance: float = 0.001
    least_gain: float = 0.004


@dataclass(frozen=True)
class Variational:
    """OpenCV's VariationalRefinement (Brox et al., ECCV 2004, as DIS uses it).

    Attributes:
        smoothness: its weight; half of OpenCV's default. Measured: weights/README.md, "What helped".
        brightness: weight of brightness constancy; OpenCV's default.
        gradient: weight of gradient constancy; OpenCV's default.
        fixed_point_iterations: OpenCV's default.
        sor_iterations: OpenCV's default.
        smallest: shortest side; below it OpenCV's red-black grid has no neighbourhood to read.
    """

    smoothness: float = 10.0
    brightness: float = 5.0
    gradient: float = 10.0
    fixed_point_iterations: int = 5
    sor_iterations: int = 5
    smallest: int = 8


@dataclass(frozen=True)
class WeightedMedian:
    """The weighted median at the edges of motion (Sun, Roth and Black, CVPR 2010, section 6).

    Attributes:
        jump: pixels; where neighbouring flow differs by more in a component there is an edge.
        reach: pixels on both sides of an edge that are filtered.
        radius: neighbours to each side.
        step: pixels between neighbours, so that a wide window costs little.
        distance: standard deviation in pixels of the weight of a neighbour.
        colour: standard deviation of the weight in colour: 14 of 255 levels in one channel, or 8 in all.
    """

    jump: float = 0.5
    reach: int = 3
    radius: int = 2
    step: int = 3
    distance: float = 7.0
    colour: float = 0.11


@dataclass(frozen=True)
class Inpaint:
    """Affine continuation of consistent motion (pull-push, Gortler et al., SIGGRAPH 1996, section 3.4).

    Attributes:
        cell: pixels per side of a cell of the finest level: a surface is never fitted from less than some of them.
        most_cells: cells at most, which frames of more than 4 megapixels reach.
        enough: share of known pixels in a cell's window from which a level's own fit is believed entirely.
        ridge: pull of the gradients towards those of the coarser level, in squared cells: enough for a window without
            an extent. Measured: kitti2012 and chairs 1 to 2 % below ten times as much.
    """

    cell: int = 4
    most_cells: int = 2**18
    enough: float = 0.25
    ridge: float = 0.1


@dataclass(frozen=True)
class Fusion:
    """The choice between an initial flow from elsewhere and our own estimate.

    Attributes:
        window: side of the window in which they are compared.
        margin: ours is taken where its cost is below this share of the other's. Measured: 0.8 to 0.95 took kitti2012
            from 2.156 to 2.094 px and chairs from 2.857 to 2.686.
    """

    window: int = 15
    margin: float = 0.95


@dataclass(frozen=True)
class Epipolar:
    """The fundamental matrix of a flow at the matched level, and the rigid continuation.

    Attributes:
        fewest: pixels that have to speak for it.
        most: pixels that are looked at, evenly spread.
        tolerance: pixels; MAGSAC++'s largest scale of noise. Twice that is Sampson's distance of what still fits.
        confidence: of having seen a sample without outliers.
        iterations: samples at most.
        leverage: of a pixel on its d, against the median; below it, near the epipole, d is noise.
    """

    fewest: int = 100
    most: int = 1500
    tolerance: float = 0.2
    confidence: float = 0.99
    iterations: int = 300
    leverage: float = 0.02


@dataclass(frozen=True)
class Coarse:
    """The evidence of the coarse network, as it is trained with, and how its answer is taken.

    Attributes:
        window: side of the window of the photometric costs.
        agrees: squared pixels by which the two directions of the refined match may differ.
        unit: pixels per unit of the true position.
        least_change: pixels; where the answer is nearer than that to the refined match the match stays, and everywhere
            where the change is smaller than the error that the network expects of its answer. Measured:
            weights/README.md, "What was tried for it".
    """

    window: int = 5
    agrees: float = 0.3
    unit: float = 30.0
    least_change: float = 0.6


COARSE, EPIPOLAR = Coarse(), Epipolar()
MATCH, PHOTOMETRIC, CONSISTENCY, GATE = Match(), Photometric(), Consistency(), Gate()
VARIATIONAL, WEIGHTED_MEDIAN, INPAINT, FUSION = Variational(), WeightedMedian(), Inpaint(), Fusion()
