"""Clips in many codecs and containers, and what happens to files: made here, without any data of others."""

import random
import subprocess

import av
import cv2
import imageio_ffmpeg
import numpy as np

COUNT = 40
HEIGHT, WIDTH = 48, 64

X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
X265 = ("-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params")
# File name -> how it is encoded; key frames every 8.
CLIPS = {
    "h264.mp4": (*X264, "-g", "8"),
    "h264.mkv": (*X264, "-g", "8"),
    "h264.ts": (*X264, "-g", "8"),
    "h264.avi": (*X264, "-g", "8"),
    "h264.flv": (*X264, "-g", "8"),
    "h264.h264": (*X264, "-g", "8"),
    "open.mp4": (*X264, "-x264-params", "open-gop=1:keyint=8:bframes=3"),
    "open.ts": (*X264, "-x264-params", "open-gop=1:keyint=8:bframes=3"),
    "refresh.mkv": (*X264, "-x264-params", "intra-refresh=1:keyint=8:bframes=0"),
    "refresh.ts": (*X264, "-x264-params", "intra-refresh=1:keyint=8:bframes=0"),
    "hevc.mp4": (*X265, "keyint=8:log-level=none"),
    "hevc-open.mkv": (*X265, "keyint=8:min-keyint=8:open-gop=1:bframes=3:log-level=none"),
    "mpeg2.mpg": ("-c:v", "mpeg2video", "-q:v", "3", "-g", "8", "-bf", "2"),
    "mpeg2.ts": ("-c:v", "mpeg2video", "-q:v", "3", "-g", "8", "-bf", "2"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-q:v", "3", "-g", "8", "-bf", "2"),
    "mpeg4.mp4": ("-c:v", "mpeg4", "-q:v", "3", "-g", "8", "-bf", "2"),
    "mpeg4.m4v": ("-c:v", "mpeg4", "-q:v", "3", "-g", "8", "-bf", "2"),
    "vp8.webm": ("-c:v", "libvpx", "-cpu-used", "8", "-g", "8", "-b:v", "300k", "-auto-alt-ref", "1"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "8", "-b:v", "300k", "-pix_fmt", "yuv420p"),
    "av1.mp4": ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "8", "-pix_fmt", "yuv420p"),
    "mjpeg.avi": ("-c:v", "mjpeg", "-q:v", "3"),
    "mjpeg.mjpeg": ("-c:v", "mjpeg", "-q:v", "3"),
    "wmv.wmv": ("-c:v", "wmv2", "-q:v", "3", "-g", "8"),
    "prores.mov": ("-c:v", "prores_ks"),
}


def pictures(count=COUNT, height=HEIGHT, width=WIDTH, step=3):
    """uint8 (count, height, width, 3): a texture that moves `step` pixels to the left per frame."""
    base = np.random.default_rng(0).integers(0, 256, (height, width + step * count, 3), np.uint8)
    base = cv2.normalize(cv2.GaussianBlur(base, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    return np.stack([base[:, step * k : step * k + width] for k in range(count)])


def encode(path, options, frames=None, rate="25"):
    """Encode with the ffmpeg program."""
    frames = pictures() if frames is None else frames
    height, width = frames.shape[1:3]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate, "-i", "-"]
    run(*source, *options, path, data=frames.tobytes())
    return path


def run(*arguments, data=None):
    """Run the ffmpeg program; returns what it writes to stdout, whatever it thinks of its input."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-y", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True).stdout


def decode_with_ffmpeg(path, height=HEIGHT, width=WIDTH, threads=1):
    """uint8 (N, H, W, 3): every frame that one pass of the ffmpeg program from the start gives."""
    raw = run(
        "-threads", threads, "-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"
    )  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def remux(source, target, change):
    """Copy the packets; `change(number, packet)` may edit one, return another, or False to drop it."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        stream = reader.streams.video[0]
        copy = writer.add_stream_from_template(stream)
        packets = [packet for packet in reader.demux(stream) if packet.size]
        for number, packet in enumerate(packets):
            changed = change(number, packet)
            if changed is False:
                continue
            chosen = packet if changed is None else changed
            if chosen.dts is None and chosen.pts is None:
                chosen.pts = chosen.dts = number
            chosen.stream = copy
            writer.mux(chosen)
    return target


def with_data(packet, data):
    """A packet with other bytes and the same times."""
    other = av.Packet(bytes(data))
    other.pts, other.dts, other.duration, other.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
    other.is_keyframe = packet.is_keyframe
    return other


def _begin_between_key_frames(source, target):
    remux(source, target, lambda number, packet: None if number >= 5 else False)


def _drop_two(source, target):
    remux(source, target, lambda number, packet: False if number in (18, 19) else None)


def _mark_all_as_key(source, target):
    def mark(number, packet):
        packet.is_keyframe = True

    remux(source, target, mark)


def _damage_a_head(source, target):
    def damage(number, packet):
        if number == 17:
            data = bytearray(bytes(packet))
            for place in range(4, min(9, len(data))):
                data[place] ^= 0xA5
            return with_data(packet, data)
        return None

    remux(source, target, damage)


def _flip_bits(source, target):
    data, chance = bytearray(source.read_bytes()), random.Random(3)
    for _ in range(4):
        data[chance.randrange(len(data) // 3, len(data) * 2 // 3)] ^= 1 << chance.randrange(8)
    target.write_bytes(data)


def _blank(source, target):
    data = bytearray(source.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    target.write_bytes(data)


def _cut_short(source, target):
    data = source.read_bytes()
    target.write_bytes(data[: len(data) * 2 // 3])


def _leave(source, target):
    target.write_bytes(source.read_bytes())


FAULTS = {
    "none": _leave,
    "begins between key frames": _begin_between_key_frames,
    "two packets lost": _drop_two,
    "all marked as key": _mark_all_as_key,
    "damaged head": _damage_a_head,
    "flipped bits": _flip_bits,
    "blank": _blank,
    "cut short": _cut_short,
}
