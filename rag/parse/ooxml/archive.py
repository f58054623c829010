"""The zip archive of a Word or PowerPoint file, looked over before anything in it is used. Nothing is ever unpacked to disk."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from rag.parse.contract import ParseLimits
from rag.parse.failure import ParseFailure

_MIN_SUSPECT_BYTES = 1024 * 1024
_MAX_RATIO = 100
_ENCRYPTED_FLAG = 0x1
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CHUNK_BYTES = 1 << 16
_NESTED = frozenset(
    {".zip", ".docx", ".docm", ".pptx", ".pptm", ".xlsx", ".xlsm", ".jar", ".odt", ".gz", ".7z", ".rar"}
)


def open_archive(source: IO[bytes], limits: ParseLimits) -> zipfile.ZipFile:
    """Open an archive and refuse one that could do harm.

    Raises:
        ParseFailure: `unreadable` (damaged, or names outside the archive), `encrypted`, or `bomb` (too many members,
            too much to unpack, a compression no document reaches, a member larger than it says, an archive inside).
    """
    try:
        archive = zipfile.ZipFile(source)
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ParseFailure("unreadable", "zip directory") from error
    if len(members) > limits.archive_members:
        raise ParseFailure("bomb", "members")
    if sum(member.file_size for member in members) > limits.archive_bytes:
        raise ParseFailure("bomb", "total size")
    for member in members:
        _check(member)
        _check_real_size(source, member)
    return archive


def read_member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes | None:
    """Return the bytes of a member, None if there is none of that name.

    Raises:
        ParseFailure: `too-large` or `unreadable`.
    """
    try:
        info = archive.getinfo(name)
    except KeyError:
        return None
    if info.file_size > max_bytes:
        raise ParseFailure("too-large", "part")
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ParseFailure("unreadable", "zip member") from error


def _check(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename or "\x00" in member.orig_filename:
        raise ParseFailure("unreadable", "member name")
    if member.flag_bits & _ENCRYPTED_FLAG:
        raise ParseFailure("encrypted")
    if member.file_size > _MIN_SUSPECT_BYTES and member.file_size > _MAX_RATIO * max(member.compress_size, 1):
        raise ParseFailure("bomb", "ratio")
    # Sheets behind charts lie under `embeddings/`; they are never opened.
    if path.suffix.lower() in _NESTED and "embeddings" not in path.parts:
        raise ParseFailure("bomb", "archive inside")


def _check_real_size(source: IO[bytes], member: zipfile.ZipInfo) -> None:
    """Unpack a member without keeping it: what the directory says of its size is only a claim."""
    if member.compress_type != zipfile.ZIP_DEFLATED:
        return
    inflated = 0
    try:
        for size in _inflated_sizes(source, member):
            inflated += size
            if inflated > member.file_size:
                raise ParseFailure("bomb", "size")
    except (zlib.error, struct.error) as error:
        raise ParseFailure("unreadable", "zip member") from error


def _inflated_sizes(source: IO[bytes], member: zipfile.ZipInfo) -> Iterator[int]:
    source.seek(member.header_offset)
    header = _LOCAL_HEADER.unpack(source.read(_LOCAL_HEADER.size))
    source.seek(header[-2] + header[-1], 1)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    left = member.compress_size
    while left > 0 and not inflater.eof:
        packed = source.read(min(left, _CHUNK_BYTES))
        if not packed:
            return
        left -= len(packed)
        while packed and not inflater.eof:
            yield len(inflater.decompress(packed, _CHUNK_BYTES))
            packed = inflater.unconsumed_tail
