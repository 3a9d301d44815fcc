"""The frames of a video file: how many, when each is shown, where decoding can begin, and what is wrong with them.

Frame n is the n-th frame that FFmpeg gives when it decodes the file from its start. Packets tell how many there are and
where to begin, at a few per cent of the cost, unless the file is damaged or its writer did not keep to the rules. Where
they leave doubt the file is decoded once, and then always from its start. A file that is decoded in an instant is never
taken at its word: damage inside a picture shows nowhere else.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from flowcli.io.frames import Moment
from flowcli.io.video.container import FALLBACK_RATE, is_plausible, mean_rate, nominal_rates, open_video
from flowcli.io.video.count import Count, count_frames
from flowcli.io.video.damage import Damage
from flowcli.io.video.log import find_cut, listen
from flowcli.io.video.packets import REORDERING, PacketScan, scan_packets

# Pixels of all frames together that are decoded in a fraction of a second: 36 frames of 1280x720.
AN_INSTANT = 2**25
# Decoders that go on over damage without a word, from what they decoded before.
_SILENT = frozenset({"ffv1", "theora", "vp8"})


@dataclass(frozen=True)
class VideoIndex:
    """The frames of one video.

    Attributes:
        length: number of frames that are whole.
        timestamps: of every frame in ticks of the stream, ascending; empty if they are not known of each.
        keyframes: timestamps of the frames at which decoding can begin, ascending; empty if it has to begin at the
            start of the file.
        checksums: of the packets of those frames, by which they are known again.
        counted: whether `length` is what decoding gave, and not the number of packets.
        fps: frames per second, the mean if the rate varies.
        times: seconds of every frame after the first; None if they come at `fps` within the file's resolution.
        damage: what is known to be wrong.
        leading: frames at the start of the file that cannot be decoded, because it begins between key frames.
    """

    length: int
    timestamps: Sequence[int]
    keyframes: Sequence[int]
    checksums: Sequence[int]
    counted: bool
    fps: Fraction
    times: Sequence[Fraction] | None
    damage: Damage
    leading: int = 0


class _Times(Sequence[Fraction]):
    """Timestamps as seconds after the first; a view, because a long film has many."""

    def __init__(self, timestamps: Sequence[int], tick: Fraction) -> None:
        self._timestamps, self._tick = timestamps, tick

    def __len__(self) -> int:
        return len(self._timestamps)

    def __getitem__(self, index):  # pyright: ignore[reportIncompatibleMethodOverride]
        return (self._timestamps[index] - self._timestamps[0]) * self._tick


def index_video(path: Path, end: Moment | None = None) -> VideoIndex:
    """Find the frames of a video file.

    Args:
        path: the file.
        end: no frame from this moment on is wanted, and the rest of the file need not be read; None reads it all.

    Raises:
        InputError, FormatError: as `open_video`.
    """
    with open_video(path) as (container, stream), listen() as messages:
        scan = scan_packets(container, stream, end)
        if scan.complete and scan.fault is None and (text := find_cut(messages)) is not None:
            scan = replace(scan, fault=f"FFmpeg says: {text}")
        context, tick, rates = stream.codec_context, stream.time_base or Fraction(1, 90_000), nominal_rates(stream)
        silent = context.name in _SILENT
        pixels = scan.length * context.width * context.height
    if not rates or not scan.timestamps:
        # A stream without times, where the container's rate may be made up.
        coded = 1 / (scan.duration * tick) if scan.duration > 0 else Fraction(0)
        rates = [*([coded] if is_plausible(coded) else []), *rates, FALLBACK_RATE]
    if not scan.doubtful and pixels > AN_INSTANT:
        plain = VideoIndex(
            scan.length,
            scan.timestamps,
            scan.keyframes,
            scan.checksums,
            False,
            *_find_rate(rates, scan.timestamps, tick),
            Damage(end=scan.fault),
        )
        if not scan.headless:
            return plain
        if (head := _count_head(path, scan)) is not None:
            stamps = array("q", [*head.timestamps, *_tail(scan)])
            fps, times = _find_rate(rates, stamps, tick)
            damage = Damage(head.damaged, end=scan.fault, reason=head.reason)
            leading = scan.length - len(stamps)
            return replace(
                plain, length=len(stamps), timestamps=stamps, fps=fps, times=times, damage=damage, leading=leading
            )
    count = count_frames(path, _stop_at(end, rates[0], tick))
    stamps = count.timestamps if all(a < b for a, b in pairwise(count.timestamps)) else array("q")
    leading, missing = _find_missing(scan, count, stamps)
    damage = Damage(count.damaged, missing, scan.fault or count.end, count.reason)
    trusted = not (silent or scan.doubtful or scan.headless or damage.within or leading) and _agree(scan, stamps)
    fps, times = _find_rate(rates, stamps, tick)
    keyframes, checksums = (scan.keyframes, scan.checksums) if trusted else (array("q"), [])
    return VideoIndex(count.length, stamps, keyframes, checksums, True, fps, times, damage, leading)


def _stop_at(end: Moment | None, fps: Fraction, tick: Fraction) -> Callable[[int, int | None], bool]:
    first: int | None = None

    def is_past(length: int, stamp: int | None) -> bool:
        nonlocal first
        first = stamp if first is None else first
        if end is None:
            return False
        if isinstance(end.value, int):
            return length > end.value
        return (length / fps if stamp is None or first is None else (stamp - first) * tick) > end.value

    return is_past


def _count_head(path: Path, scan: PacketScan) -> Count | None:
    # The frames before the first key frame; None if it cannot be told where they end.
    if not scan.keyframes:
        return None
    key = scan.keyframes[0]
    head = count_frames(path, lambda _, stamp: stamp is not None and stamp >= key)
    stamps = head.timestamps
    if not stamps or stamps[-1] != key or any(a >= b for a, b in pairwise(stamps)):
        return None
    return replace(head, timestamps=stamps[:-1], damaged=[k for k in head.damaged if k < len(stamps) - 1])


def _tail(scan: PacketScan) -> Sequence[int]:
    return scan.timestamps[bisect_left(scan.timestamps, scan.keyframes[0]) :]


def _find_missing(scan: PacketScan, count: Count, stamps: Sequence[int]) -> tuple[int, Sequence[int]]:
    # Of frames that the container has and the decoder does not give: how many at the start, and before which others.
    if not stamps or not scan.timestamps:
        return 0, [place for place in count.lost if place > 0]
    found = set(stamps)
    places = [bisect_left(stamps, stamp) for stamp in scan.timestamps if stamp not in found]
    last = len(stamps) if scan.complete and count.complete else len(stamps) - 1
    return sum(place == 0 for place in places), [place for place in places if 0 < place <= last]


def _agree(scan: PacketScan, stamps: Sequence[int]) -> bool:
    # The last of a part are not in their order yet.
    stop = min(len(stamps), scan.length - (0 if scan.complete else REORDERING))
    return scan.timestamps[:stop] == stamps[:stop]


def _find_rate(
    nominal: Sequence[Fraction], stamps: Sequence[int], tick: Fraction
) -> tuple[Fraction, Sequence[Fraction] | None]:
    if len(stamps) < 2:
        return nominal[0], None
    first = stamps[0]
    for rate in nominal:
        # Timestamps are rounded to ticks: a steady rate is never off by more than one.
        per_frame = 1 / (rate * tick)
        if all(abs(stamp - first - number * per_frame) <= 1 for number, stamp in enumerate(stamps)):
            return rate, None
    return mean_rate(len(stamps) - 1, (stamps[-1] - first) * tick), _Times(stamps, tick)
