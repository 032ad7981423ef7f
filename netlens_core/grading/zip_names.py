"""Names in zips whose code page the zip does not tell: Windows writes them as the machine that made it has them."""

from __future__ import annotations

import struct
import unicodedata
import zipfile
import zlib

from netlens_core.grading.sheets import CourseError

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075  # Info-ZIP's extra field: the name in UTF-8, for a name with this checksum
# What Windows and DOS use: western and central Europe, Cyrillic, Japan, China, Korea.
CODE_PAGES = ("cp437", "cp850", "cp852", "cp1252", "cp1250", "cp866", "cp1251", "cp932", "gbk", "cp949")


def entry_name(info: zipfile.ZipInfo) -> tuple[str, bytes]:
    """An entry's name, and its bytes where nothing tells their code page (then the name is as in cp437)."""
    name = info.orig_filename
    if info.flag_bits & _UTF8_FLAG or name.isascii():
        return _composed(name), b""
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:  # Python read the extra field itself
        return _composed(name), b""
    if told := _unicode_path(info.extra, raw):
        return _composed(told), b""
    try:
        return _composed(raw.decode("utf-8")), b""  # other texts are valid UTF-8 only by a rare accident
    except UnicodeDecodeError:
        return _composed(name), raw


def known_code_page(name: str) -> str:
    """A code page as the user wrote it. Raises CourseError for one that Python does not know."""
    try:
        "a".encode(name)
        b"a".decode(name)
    except (LookupError, UnicodeError, ValueError):
        raise CourseError(f"--code-page {name}: no code page is called so; usual are {', '.join(CODE_PAGES)}") from None
    return name


def in_code_page(raw: bytes, page: str) -> str | None:
    """A name's bytes read in a code page; None where they cannot be."""
    try:
        text = raw.decode(page)
    except UnicodeError:
        return None
    return _composed(text) if text.isprintable() else None


def _composed(name: str) -> str:
    """A name without what follows a null byte; accents as one character, which macOS writes as two."""
    return unicodedata.normalize("NFC", name.partition("\0")[0])


def _unicode_path(extra: bytes, raw: bytes) -> str:
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        field = extra[at + 4 : at + 4 + size]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1:
            [checksum] = struct.unpack_from("<L", field, 1)
            try:
                return field[5:].decode("utf-8") if checksum == zlib.crc32(raw) else ""
            except UnicodeDecodeError:
                return ""
        at += 4 + size
    return ""
