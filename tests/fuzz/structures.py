"""Changes that know a format: chunks, members, directories and values, with lengths and checksums kept right."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from random import Random

from fuzz.checksums import repair_png
from fuzz.mutations import Mutator

_EXTREME_VALUES = (
    *(None, True, False, 0, 1, -1, 2, 1e308, -1e308, float("nan"), float("inf"), -float("inf"), 0.5, 2**63, 2**64),
    *(
        2**200,
        10**4000,
        1e-320,
        "",
        "x",
        "\x1b[2J",
        "\n",
        "../../x",
        "../canary.txt",
        "/",
        "\ud800",
        "a" * 5000,
        [],
        {},
        [[]],
        {"a": {}},
    ),
    *([2**62, 2**62], [-1, 0], ["a", None], {"x": [1]}, 2**31, 2**40),
)


def change_png_chunks(random: Random, data: bytes) -> bytes:
    """Drop, repeat, swap or change a chunk; the pixels are changed before they are compressed."""
    chunks: list[tuple[bytes, bytes]] = []
    position = 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        chunks.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    place = random.randrange(len(chunks))
    kind, content = chunks[place]
    action = random.randrange(6)
    if action == 0:
        del chunks[place]
    elif action == 1:
        chunks.insert(random.randrange(len(chunks) + 1), chunks[place])
    elif action == 2:
        other = random.randrange(len(chunks))
        chunks[place], chunks[other] = chunks[other], chunks[place]
    elif kind == b"IDAT":
        chunks[place] = kind, change_compressed(random, content)
    else:
        chunks[place] = kind, Mutator(random).mutate(content)
    parts = [struct.pack(">I", len(content)) + kind + content + bytes(4) for kind, content in chunks]
    return repair_png(data[:8] + b"".join(parts))


def change_compressed(random: Random, data: bytes) -> bytes:
    """Change what a zlib stream holds; one that is none is changed as it is."""
    try:
        content = zlib.decompress(data)
    except zlib.error:
        return Mutator(random).mutate(data)
    return zlib.compress(Mutator(random).mutate(content), 1)


def change_zip_members(random: Random, data: bytes) -> bytes:
    """Drop, repeat, rename or change a member; the archive around it is right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info), info.compress_type) for info in archive.infolist()]
    # Headers and pickles are among the first members, pixels and weights behind them.
    place = random.randrange(len(members) if random.random() < 0.5 else min(2, len(members)))
    name, content, method = members[place]
    action = random.randrange(8)
    if action == 0:
        del members[place]
    elif action == 1:
        members.append((random.choice(members)[0], content, method))
    elif action == 2:
        members[place] = (
            random.choice(("", "/", "../x", "x" * 300, "\x1b", name.upper(), name + "/")),
            content,
            method,
        )
    elif action == 3:
        members[place] = (name, content, random.choice((0, 8, 12, 14)))
    else:
        members[place] = (
            name,
            Mutator(random, (b"\x93NUMPY", b"descr", b"shape", b"fortran_order")).mutate(content),
            method,
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content, method in members:
            info = zipfile.ZipInfo(name.split("\0")[0] or "x")
            info.compress_type = method
            _write_member(archive, info, content)
    return buffer.getvalue()


def _write_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, content: bytes) -> None:
    try:
        if info.filename in archive.NameToInfo:  # which zipfile warns of
            del archive.NameToInfo[info.filename]
        archive.writestr(info, content)
    except ValueError:
        return


def change_tiff_entries(random: Random, data: bytes) -> bytes:
    """Change tag, type, count or value of entries of the first directory (TIFF 6.0, section 2)."""
    order = "<" if data[:2] == b"II" else ">"
    changed = bytearray(data)
    if len(data) < 10 or struct.unpack_from(order + "H", data, 2)[0] != 42:
        return Mutator(random).mutate(data)
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):
        return Mutator(random).mutate(data)
    (count,) = struct.unpack_from(order + "H", data, start)
    for _ in range(random.choice((1, 1, 2, 3))):
        entry = start + 2 + 12 * random.randrange(max(1, count))
        if entry + 12 > len(data):
            continue
        tag, kind, number, value = struct.unpack_from(order + "HHII", changed, entry)
        extreme = random.choice((0, 1, 2, 3, 4, 5, 8, 12, 16, 32, 64, 255, 256, 8192, 65535, 2**26, 2**31, 2**32 - 1))
        field = random.randrange(6)
        if field == 0:
            tag = random.choice(
                (256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 338, 339)
            )
        elif field == 1:
            kind = random.randrange(19)
        elif field == 2:
            number = extreme
        else:
            value = extreme if order == "<" or kind != 3 else (extreme & 0xFFFF) << 16
        struct.pack_into(order + "HHII", changed, entry, tag, kind, number, value)
    return bytes(changed)


def change_json_header(random: Random, data: bytes) -> bytes:
    """Change the JSON header of a safetensors file; its length is right."""
    length = int.from_bytes(data[:8], "little")
    header = change_json(random, data[8 : 8 + length])
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def change_json_lines(random: Random, data: bytes) -> bytes:
    """Change, drop, repeat or swap lines of JSON."""
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    action = random.randrange(5)
    if action == 0:
        del lines[place]
    elif action == 1:
        lines.insert(random.randrange(len(lines) + 1), lines[place])
    else:
        lines[place] = change_json(random, lines[place])
    return b"\n".join(lines)


def change_json(random: Random, data: bytes) -> bytes:
    """Change a value or a key of JSON; what is no JSON is changed as bytes."""
    try:
        top = json.loads(data)
    except ValueError:
        return Mutator(random).mutate(data)
    try:
        for _ in range(random.choice((1, 1, 2, 4))):
            top = _change_value(random, top)
        text = json.dumps(top)
    except (ValueError, OverflowError):  # more digits than Python writes, or more than a float holds
        return Mutator(random).mutate(data)
    if random.random() < 0.05:
        text = random.choice(("[" * 100_000, '{"a":' * 100_000)) + text
    return text.encode()


def _change_value(random: Random, value: object) -> object:
    if random.random() < 0.25:
        return random.choice(_EXTREME_VALUES)
    if isinstance(value, dict) and value:
        key = random.choice(list(value))
        action = random.randrange(8)
        if action == 0:
            return {name: one for name, one in value.items() if name != key}
        if action == 1:
            return {
                random.choice(("", "x", "../canary.txt", "__metadata__", "\x1b", "a" * 3000))
                if name == key
                else name: one
                for name, one in value.items()
            }
        return {**value, key: _change_value(random, value[key])}
    if isinstance(value, list) and value:
        place = random.randrange(len(value))
        return [*value[:place], _change_value(random, value[place]), *value[place + 1 :]]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return random.choice((value + 1, value - 1, -value, value * 2, value * 2**32, float(value), str(value)))
    if isinstance(value, str) and value[:1] in "{[":
        return change_json(random, value.encode()).decode("utf-8", "replace")
    return random.choice(_EXTREME_VALUES)
