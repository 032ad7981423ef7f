"""The text of a file that was saved in whatever encoding: UTF-8, UTF-16, or one of the old Windows ones."""

from __future__ import annotations

from netlens_core.languages import N_

BOM = N_("UTF-8 with a byte order mark")
OLD_WINDOWS = N_("an old Windows encoding")

# Beyond ASCII, what Czech, Slovak and German texts in cp1250 consist of.
_CENTRAL = set("ÁáÄäČčĎďÉéĚěÍíĹĺĽľŇňÓóÔôÖöŔŕŘřŠšŤťÚúŮůÜüÝýŽžß„“”‚‘’–—…§°€\u00a0")


def decoded(data: bytes) -> tuple[str, str] | None:
    """A file's text and what it was saved in, empty for plain UTF-8; None for what is no text."""
    found = _unicode(data) or _single_bytes(data)
    return None if found is None or "\x00" in found[0] else found


def _unicode(data: bytes) -> tuple[str, str] | None:
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16"), "UTF-16"
        if data[:2].count(0) == 1 and data[:400].count(0) > len(data[:400]) // 3:  # without its mark
            return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le"), "UTF-16"
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text, BOM if data.startswith(b"\xef\xbb\xbf") else ""


def _single_bytes(data: bytes) -> tuple[str, str] | None:
    """Code is ASCII in all of them; what may differ is an accent in an answer or a comment."""
    for encoding in ("cp1250", "cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "cp1250" or {letter for letter in text if letter > "\x7f"} <= _CENTRAL:
            return text, OLD_WINDOWS
    return None
