"""Checksums made right again after a mutation, as far as the file can still be taken apart."""

from __future__ import annotations

import struct
import zlib

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LOCAL, _CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def repair_png(data: bytes) -> bytes:
    """Give every chunk its CRC (PNG specification, section 5.3)."""
    fixed, position = bytearray(data), len(_PNG_SIGNATURE)
    while position + 12 <= len(fixed):
        (length,) = struct.unpack_from(">I", fixed, position)
        end = position + 12 + length
        if end > len(fixed):
            break
        struct.pack_into(">I", fixed, end - 4, zlib.crc32(fixed[position + 4 : end - 4]))
        position = end
    return bytes(fixed)


def repair_zip(data: bytes) -> bytes:
    """Give every member its CRC, in the directory and before its bytes (APPNOTE.TXT, sections 4.3.7 and 4.3.12)."""
    fixed, position = bytearray(data), data.find(_CENTRAL)
    while position >= 0 and position + 46 <= len(fixed):
        method, _, _, _, packed = struct.unpack_from("<HHHII", fixed, position + 10)
        names = struct.unpack_from("<HHH", fixed, position + 28)
        (local,) = struct.unpack_from("<I", fixed, position + 42)
        if fixed[local : local + 4] == _LOCAL and local + 30 <= len(fixed):
            start = local + 30 + sum(struct.unpack_from("<HH", fixed, local + 26))
            content = _unpack(bytes(fixed[start : start + packed]), method)
            if content is not None:
                crc = struct.pack("<I", zlib.crc32(content))
                fixed[position + 16 : position + 20] = crc
                if not fixed[local + 6] & 8:  # or it follows the bytes, where few readers look
                    fixed[local + 14 : local + 18] = crc
        position += 46 + sum(names)
        if fixed[position : position + 4] != _CENTRAL:
            position = fixed.find(_CENTRAL, position)
    return bytes(fixed)


def _unpack(packed: bytes, method: int) -> bytes | None:
    if method == 0:
        return packed
    if method != 8:
        return None
    try:
        return zlib.decompressobj(-15).decompress(packed, 2**22)
    except zlib.error:
        return None


def _make_table(polynomial: int) -> list[int]:
    table = []
    for value in range(256):
        crc = value << 24
        for _ in range(8):
            crc = (crc << 1 ^ (polynomial if crc & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(crc)
    return table


_CRC32_LEFT = _make_table(0x04C11DB7)


def _crc32_left(data: bytes, crc: int) -> int:
    for byte in data:
        crc = (crc << 8 & 0xFFFFFFFF) ^ _CRC32_LEFT[crc >> 24 ^ byte]
    return crc


def repair_ogg(data: bytes) -> bytes:
    """Give every page its CRC (RFC 3533, section 6)."""
    fixed, position = bytearray(data), data.find(b"OggS")
    while position >= 0:
        segments = fixed[position + 27 : position + 27 + fixed[position + 26]] if position + 27 <= len(fixed) else b""
        end = position + 27 + len(segments) + sum(segments)
        if end <= len(fixed) and segments:
            fixed[position + 22 : position + 26] = bytes(4)
            fixed[position + 22 : position + 26] = struct.pack("<I", _crc32_left(bytes(fixed[position:end]), 0))
        position = fixed.find(b"OggS", position + 4)
    return bytes(fixed)


def repair_transport_stream(data: bytes) -> bytes:
    """Give the tables of a transport stream their CRC (ISO/IEC 13818-1, section 2.4.4), those within one packet."""
    fixed = bytearray(data)
    for packet in range(0, len(fixed) - 187, 188):
        if fixed[packet] != 0x47 or not fixed[packet + 1] & 0x40 or fixed[packet + 3] & 0x30 != 0x10:
            continue
        section = packet + 5 + fixed[packet + 4]
        if section + 3 > packet + 188 or fixed[section] > 0x42:
            continue
        end = section + 3 + (struct.unpack_from(">H", fixed, section + 1)[0] & 0xFFF)
        if section + 8 <= end <= packet + 188:
            struct.pack_into(">I", fixed, end - 4, _crc32_left(bytes(fixed[section : end - 4]), 0xFFFFFFFF))
    return bytes(fixed)


def repair_hdf5(data: bytes) -> bytes:
    """Give superblock and object headers of version 2 and later their checksums (HDF5 specification, II.A and IV.A)."""
    fixed = bytearray(data)
    if fixed[:8] == b"\x89HDF\r\n\x1a\n" and len(fixed) >= 48 and fixed[8] >= 2:
        struct.pack_into("<I", fixed, 44, _lookup3(bytes(fixed[:44])))
    position = fixed.find(b"OHDR")
    while 0 <= position < len(fixed) - 16:
        flags = fixed[position + 5]
        start = position + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        end = start + width + int.from_bytes(fixed[start : start + width], "little")
        if end + 4 <= len(fixed):
            struct.pack_into("<I", fixed, end, _lookup3(bytes(fixed[position:end])))
        position = fixed.find(b"OHDR", position + 4)
    return bytes(fixed)


def _lookup3(data: bytes) -> int:
    # Bob Jenkins, "lookup3.c", hashlittle() with initval 0, which is public domain.
    def rotate(value: int, bits: int) -> int:
        return (value << bits | value >> 32 - bits) & 0xFFFFFFFF

    a = b = c = (0xDEADBEEF + len(data)) & 0xFFFFFFFF
    position = 0
    while len(data) - position > 12:
        x, y, z = struct.unpack_from("<III", data, position)
        a, b, c = (a + x) & 0xFFFFFFFF, (b + y) & 0xFFFFFFFF, (c + z) & 0xFFFFFFFF
        a = (a - c & 0xFFFFFFFF) ^ rotate(c, 4)
        c = c + b & 0xFFFFFFFF
        b = (b - a & 0xFFFFFFFF) ^ rotate(a, 6)
        a = a + c & 0xFFFFFFFF
        c = (c - b & 0xFFFFFFFF) ^ rotate(b, 8)
        b = b + a & 0xFFFFFFFF
        a = (a - c & 0xFFFFFFFF) ^ rotate(c, 16)
        c = c + b & 0xFFFFFFFF
        b = (b - a & 0xFFFFFFFF) ^ rotate(a, 19)
        a = a + c & 0xFFFFFFFF
        c = (c - b & 0xFFFFFFFF) ^ rotate(b, 4)
        b = b + a & 0xFFFFFFFF
        position += 12
    tail = data[position:]
    if not tail:
        return c
    x, y, z = struct.unpack("<III", tail.ljust(12, b"\0"))
    a, b, c = (a + x) & 0xFFFFFFFF, (b + y) & 0xFFFFFFFF, (c + z) & 0xFFFFFFFF
    c = (c ^ b) - rotate(b, 14) & 0xFFFFFFFF
    a = (a ^ c) - rotate(c, 11) & 0xFFFFFFFF
    b = (b ^ a) - rotate(a, 25) & 0xFFFFFFFF
    c = (c ^ b) - rotate(b, 16) & 0xFFFFFFFF
    a = (a ^ c) - rotate(c, 4) & 0xFFFFFFFF
    b = (b ^ a) - rotate(a, 14) & 0xFFFFFFFF
    return (c ^ b) - rotate(b, 24) & 0xFFFFFFFF
