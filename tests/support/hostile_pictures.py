"""Pictures made to cost more than they should, put together by hand."""

from __future__ import annotations

import struct
import zlib

from PIL import Image

from support.pictures import saved


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def small_jpeg() -> bytes:
    return saved(Image.new("RGB", (16, 16), (10, 200, 90)), "JPEG")


def jpeg_of_segments(total: int, marker: int = 0xFE, body: bytes = b"") -> bytes:
    """A JPEG of about `total` bytes of equal segments before its pixels."""
    one = segment(marker, body)
    data = small_jpeg()
    return data[:2] + one * ((total - len(data)) // len(one)) + data[2:]


def jpeg_of_fill_bytes(total: int, fill: bytes = b"\xff") -> bytes:
    data = small_jpeg()
    return data[:2] + fill * (total // len(fill)) + data[2:]


def jpeg_of_scans(count: int, width: int = 16, height: int = 16, closed: bool = True) -> bytes:
    """A grey progressive JPEG: one scan of means, then `count` of nothing, which all cost time."""
    blocks = -(-width // 8) * -(-height // 8)
    table = bytes([1]) + b"\0" * 15 + b"\0"  # one code, "0": nothing
    means = b"\0" * (blocks // 8) + (bytes([0xFF >> blocks % 8]) if blocks % 8 else b"")
    runs = b"\0" * (blocks // 8) + (bytes([0xFF >> blocks % 8]) if blocks % 8 else b"")
    return b"".join(
        (
            b"\xff\xd8",
            segment(0xDB, b"\0" + b"\1" * 64),
            segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"),
            segment(0xC4, b"\0" + table),
            segment(0xC4, b"\x10" + table),
            segment(0xDA, b"\1\1\0\0\0\0") + means,
            (segment(0xDA, b"\1\1\0\1\x3f\0") + runs) * count,
            b"\xff\xd9" if closed else b"",
        )
    )


def jpeg_of_planes(*planes: tuple[int, int], side: int = 48) -> bytes:
    """A JPEG whose components have these samplings (across, down), each in a scan of its own."""
    across, down = (max(plane[i] for plane in planes) for i in (0, 1))
    scans = []
    for number, (h, v) in enumerate(planes, 1):
        image = Image.effect_noise((-(-side * h // across), -(-side * v // down)), 80)
        grey = saved(image, "JPEG")
        pixels = grey[grey.index(b"\xff\xda") + 10 : -2]
        scans.append(segment(0xDA, bytes([1, number, 0, 0, 63, 0])) + pixels)
    frame, scan = grey.index(b"\xff\xc0"), grey.index(b"\xff\xda")
    head = struct.pack(">BHHB", 8, side, side, len(planes))
    head += b"".join(bytes([i, h << 4 | v, 0]) for i, (h, v) in enumerate(planes, 1))
    tables = grey[frame + 13 : scan]
    return b"".join((grey[:frame], segment(0xC0, head), tables, *scans, b"\xff\xd9"))


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(*extra: bytes, width: int = 16, height: int = 16, pixels: bytes | None = None) -> bytes:
    """A grey PNG with `extra` chunks before its pixels; `pixels` replaces their deflated bytes."""
    if pixels is None:
        pixels = zlib.compress((b"\0" + b"\x50" * width) * height)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
            *extra,
            png_chunk(b"IDAT", pixels),
            png_chunk(b"IEND", b""),
        )
    )


def png_of_chunks(total: int, name: bytes = b"vpAg", data: bytes = b"") -> bytes:
    one = png_chunk(name, data)
    return png(one * (total // len(one)))


def png_of_profiles(total: int) -> bytes:
    """Each profile inflates to a thousand times its size."""
    packer = zlib.compressobj(9)
    zeros = b"".join(packer.compress(bytes(1 << 20)) for _ in range(16)) + packer.flush()
    return png_of_chunks(total, b"iCCP", b"p\0\0" + zeros)


def gif_of_extensions(total: int, one: bytes = b"!\xfe\x01A\0") -> bytes:
    data = saved(Image.new("P", (16, 16)), "GIF")
    place = 13 + (3 * (2 << (data[10] & 7)) if data[10] & 0x80 else 0)
    return data[:place] + one * (total // len(one)) + data[place:]


def gif_of_one_extension(total: int) -> bytes:
    return gif_of_extensions(total, b"!\xfe" + b"\1A" * (total // 2 - 3) + b"\0")


def webp(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"WEBP"
    for name, data in chunks:
        body += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def webp_canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides


def webp_of_chunks(total: int, name: bytes) -> bytes:
    one = name + struct.pack("<I", 0)
    body = webp(webp_canvas(16, 16))[8:] + one * (total // 8)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_of_few_bytes(width: int, height: int) -> bytes:
    """A lossless WebP of one colour, in which a pixel takes no bit at all."""
    return saved(Image.new("RGB", (width, height)), "WEBP", lossless=True, method=0)


def bmp(width: int, height: int, data: bytes, bits: int = 24, packing: int = 0) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, len(data), 0, 0, 0, 0)
    table = b"\0" * (4 << bits if bits <= 8 else 0)
    start = 14 + 40 + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + table + data
