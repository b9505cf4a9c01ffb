"""Read the structure of a JPEG: its size, its scans, the EXIF orientation (ITU-T T.81, annex B).

Segments are jumped over by their lengths. A picture with one scan is read up to that scan; one
with several, to its end, for each scan costs as much time as a whole picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from scai.errors import UnsupportedFormat
from scai.pictures import _exif
from scai.pictures._facts import (
    MAX_METADATA_BYTES,
    MAX_SCANNED_MEGAPIXELS,
    MAX_SCANS,
    MAX_SEGMENTS,
    CheckSize,
    Facts,
)
from scai.pictures._source import BLOCK_BYTES, Source, at_most, cut_off, damaged

_EOI, _SOS, _DHT, _DQT, _DRI, _DNL, _DAC = 0xD9, 0xDA, 0xC4, 0xDB, 0xDD, 0xDC, 0xCC
_APP0, _APP1, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_ALONE = {0x01, *range(0xD0, 0xD8)}  # without a length: TEM and the restart markers
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_ARITHMETIC, _ARITHMETIC_PROGRESSIVE = 0xC9, 0xCA
_KINDS_OF_FRAME = {_BASELINE, _EXTENDED, _PROGRESSIVE, _ARITHMETIC, _ARITHMETIC_PROGRESSIVE}
_METADATA = {*range(_APP0, _APP15 + 1), _COM}
_UNUSUAL_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}
_KNOWN = {_EOI, _SOS, _DHT, _DQT, _DRI, _DNL, _DAC, *_METADATA, *_KINDS_OF_FRAME, *_ALONE}
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_USUAL_SAMPLING = {(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)}
# Where the data of a scan ends: a marker other than a restart. FF 00 stands for a byte FF.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_END = re.compile(rb"\xff\xd9")
_MAX_FILL_BYTES = 64
# The parameters of a scan that holds whole blocks, as all scans of a sequential picture do.
_WHOLE_BLOCKS = b"\0\x3f\0"


@dataclass
class _Frame:
    """What a frame header says; `planes` are the components' (horizontal, vertical) samplings.

    `precision` holds, for each component with a scan, the bit to which each of its 64
    coefficients has come; -1 for not at all, 0 for all bits.
    """

    kind: int
    width: int
    height: int
    planes: dict[int, tuple[int, int]]
    precision: dict[int, list[int]] = field(default_factory=dict)

    @property
    def progressive(self) -> bool:
        return self.kind in (_PROGRESSIVE, _ARITHMETIC_PROGRESSIVE)

    @property
    def usual(self) -> bool:
        """Whether the first component alone may have more than one sample in both directions."""
        first, *others = self.planes.values()
        return not others or (first in _USUAL_SAMPLING and {*others} == {(1, 1)})

    @property
    def complete(self) -> bool:
        """Whether the scans so far hold all bits of all components."""
        scanned = self.precision.keys() == self.planes.keys()
        return scanned and not any(bit for bits in self.precision.values() for bit in bits)


@dataclass
class _Progress:
    """How far the file has been read, and what came so far."""

    frame: _Frame | None = None
    orientation: int | None = None
    segments: int = 0
    metadata: int = 0
    scans: int = 0
    gapless: bool = True  # nothing between the segments
    whole: bool = False  # the first scan holds all of the picture


def read(source: Source, check: CheckSize) -> Facts:
    """Facts about a JPEG. Raises BadImage and TooExpensive."""
    progress, place = _Progress(), 2
    while True:
        marker, start, place = _next(source, place, progress)
        if marker in _METADATA:
            _take_metadata(source, marker, start, place, progress)
        elif marker == _EOI:
            break
        elif marker in _KINDS_OF_FRAME:
            _take_frame(source, marker, start, place, progress)
            assert progress.frame is not None
            check(progress.frame.width, progress.frame.height)
        elif marker == _SOS:
            _take_scan(source.exactly(start, place - start), progress)
            if progress.whole:
                _require_end(source, place)
                break
            place = source.search(_MARKER, place, 2)
            if place < 0:
                raise cut_off()
    if progress.frame is None or not progress.scans:
        raise damaged("it has no pixels")
    if not progress.whole and not progress.frame.complete:
        raise cut_off()
    return _facts(progress, progress.frame, source.size)


def without_metadata(data: bytes) -> bytes:
    """The same picture for a decoder that trips over what is not needed.

    Metadata and bytes between the segments are left out, and a scan of a sequential picture gets
    the parameters that the standard demands, which some cameras leave empty. `data` has passed
    `read`.
    """
    source, progress, place = Source(data), _Progress(), 2
    parts, sequential = [data[:2]], False
    while True:
        marker, start, place = _next(source, place, progress)
        piece = data[start - 4 : place]
        if marker == _APP0 and piece[4:9] == b"JFIF\0":
            piece = piece[:9] + b"\1\1" + piece[11:]
        if marker in (_BASELINE, _EXTENDED, _ARITHMETIC):
            sequential = True
        if marker == _SOS and sequential:
            piece = piece[:-3] + _WHOLE_BLOCKS
        if marker in (_APP0, _APP14) or marker not in _METADATA:
            parts.append(piece)
        if marker == _SOS:
            return b"".join((*parts, data[place:]))


def last_scan(data: bytes) -> tuple[int, int]:
    """Where the pixels of the last scan begin, and where the end marker stands.

    `data` has passed `read`; raises BadImage all the same.
    """
    source, progress, place, begin = Source(data), _Progress(), 2, 2
    while True:
        marker, start, place = _next(source, place, progress)
        if marker == _EOI:
            return begin, start - 2
        if marker == _SOS:
            begin, place = place, source.search(_MARKER, place, 2)
            if place < 0:
                raise cut_off()


def _next(source: Source, place: int, progress: _Progress) -> tuple[int, int, int]:
    """The marker of the next segment, where its content begins, and the place behind it.

    Fill bytes and a little garbage are skipped, and markers without a length.
    """
    while True:
        head = source.some(place, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] not in _KNOWN:
            place = _skip(source, place, progress)
            head = source.some(place, 4)
        marker = head[1]
        progress.segments += 1
        if progress.segments > MAX_SEGMENTS:
            at_most(progress.segments, MAX_SEGMENTS, "segments in a JPEG")
        if marker == _EOI:
            return marker, place + 2, place + 2
        if marker not in _ALONE:
            break
        place += 2
    length = (head[2] << 8) + head[3] if len(head) == 4 else 0
    end = place + 2 + length
    if end > source.size or len(head) < 4:
        raise cut_off()
    if length < 2:
        raise damaged("a segment has no length")
    return marker, place + 4, end


def _skip(source: Source, place: int, progress: _Progress) -> int:
    """The place of the next marker behind fill bytes or a little garbage, as decoders skip it."""
    window = source.some(place, _MAX_FILL_BYTES)
    match = _MARKER.search(window)
    if match is None:
        raise cut_off() if len(window) < _MAX_FILL_BYTES else damaged("a segment is missing")
    marker = window[match.end() - 1]
    if marker in _UNUSUAL_FRAMES:
        raise _unsupported("a lossless or hierarchical one")
    if marker not in _KNOWN:
        raise damaged(f"expected a segment, got the marker FF{marker:02X}")
    progress.gapless = progress.gapless and match.start() == 0
    return place + match.start()


def _take_metadata(source: Source, marker: int, start: int, end: int, progress: _Progress) -> None:
    """Count it; only the first Exif block counts, whatever it says."""
    progress.metadata += end - start
    if progress.metadata > MAX_METADATA_BYTES:
        at_most(progress.metadata, MAX_METADATA_BYTES, "bytes of metadata")
    if marker == _APP1 and progress.orientation is None:
        if source.some(start, len(_exif.PREFIX)) == _exif.PREFIX:
            progress.orientation = _exif.orientation(source.exactly(start, end - start))


def _take_frame(source: Source, marker: int, start: int, end: int, progress: _Progress) -> None:
    if progress.frame is not None:
        raise damaged("it has two frames")
    body = source.exactly(start, max(end - start, 6))
    bits, count = body[0], body[5]
    if bits != 8:
        raise _unsupported(f"one of {bits} bits")
    if count not in _MODES:
        raise _unsupported(f"one with {count} components")
    if end - start != 6 + 3 * count:
        raise damaged("the frame's length")
    planes = {body[6 + 3 * i]: divmod(body[7 + 3 * i], 16) for i in range(count)}
    if len(planes) != count or not all(1 <= n <= 4 for plane in planes.values() for n in plane):
        raise damaged("the frame's components")
    width, height = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
    progress.frame = _Frame(marker, width, height, planes)


def _take_scan(body: bytes, progress: _Progress) -> None:
    frame = progress.frame
    if frame is None:
        raise damaged("a scan stands before its frame")
    count = body[0] if body else 0
    if not 1 <= count <= 4 or len(body) != 4 + 2 * count:
        raise damaged("a scan's length")
    names = [body[1 + 2 * i] for i in range(count)]
    first, last, bit = body[-3], body[-2], body[-1] & 0x0F
    if not frame.progressive:
        progress.gapless = progress.gapless and body[-3:] == _WHOLE_BLOCKS
        first, last, bit = 0, 63, 0
    if not {*names} <= {*frame.planes} or not first <= last <= 63:
        raise damaged("a scan's components")
    progress.scans += 1
    at_most(progress.scans, MAX_SCANS, "scans in a JPEG")
    megapixels = progress.scans * frame.width * frame.height // 1_000_000
    at_most(megapixels, MAX_SCANNED_MEGAPIXELS, "megapixels in all scans of a JPEG")
    progress.whole = progress.scans == 1 and not frame.progressive and {*names} == {*frame.planes}
    for name in names:
        bits = frame.precision.setdefault(name, [-1] * 64)
        bits[first : last + 1] = [bit] * (last + 1 - first)


def _require_end(source: Source, place: int) -> None:
    """Raise BadImage unless an end marker follows; it is looked for from the end on."""
    end, length = source.size, 2
    while end > place:
        start = max(place, end - length)
        if _END.search(source.some(start, end - start)):
            return
        if start == place:
            break
        end, length = start + 1, BLOCK_BYTES
    raise cut_off()


def _facts(progress: _Progress, frame: _Frame, size: int) -> Facts:
    pixels = frame.width * frame.height
    mode = _MODES[len(frame.planes)]
    # The decoder's pixels and those turned upright; Pillow has 4 bytes a pixel, in more copies.
    # Either may get copies of the file, without metadata or with more data.
    if mode != "CMYK" and frame.usual:
        need = pixels * 6 + size
    else:
        need = pixels * 22 + size * 3
    if not progress.whole:
        # All coefficients are kept: 2 bytes each, in whole groups of blocks.
        across, down = (max(plane[i] for plane in frame.planes.values()) for i in (0, 1))
        groups = -(-frame.width // (8 * across)) * -(-frame.height // (8 * down))
        need += 128 * groups * sum(h * v for h, v in frame.planes.values())
    return Facts(
        frame.width,
        frame.height,
        mode,
        need + 4_000_000,
        progress.orientation or 1,
        progress.scans,
        progress.whole
        and progress.gapless
        and frame.usual
        and frame.kind in (_BASELINE, _EXTENDED),
    )


def _unsupported(what: str) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"expected a baseline or progressive JPEG in grey, colour or CMYK, got {what}",
        stage="format",
    )
