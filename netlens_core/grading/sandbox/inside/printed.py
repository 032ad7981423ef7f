"""Capture of what student code prints: bounded, cheap, and as a terminal leaves what carriage returns overwrite."""

from __future__ import annotations

import io
from typing import Any

from . import words

MAX_TEXT = 60_000  # characters of one kind of text in a cell
MAX_OUTPUTS = 32  # outputs a cell
MAX_PICTURE = 1 << 20  # bytes
_AT_ONCE = 8192  # characters that are looked at together: progress bars write a few at a time, 100,000 times


class Text:
    """Printed text whose last line may still be overwritten."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._line = 0  # where in `_parts` the last line begins
        self._returned = False  # whether it ended with a carriage return: what follows overwrites it

    def add(self, text: str) -> int:
        """Take in text; by how many characters it has grown, less than 0 where more was overwritten than written."""
        if not self._returned and "\r" not in text:
            return self._appended(text)
        grown = 0
        for number, line in enumerate(text.split("\n")):
            if number:
                self._returned = False
                grown += self._appended("\n")
            shown = line.rstrip("\r")
            _, overwritten, rest = shown.rpartition("\r")
            if overwritten or (self._returned and shown):
                grown -= self._line_dropped()
            grown += self._appended(rest)
            self._returned = line.endswith("\r") or (self._returned and not shown)
        return grown

    def _appended(self, text: str) -> int:
        before, newline, after = text.rpartition("\n")
        if newline:
            self._parts.append(before + newline)
            self._line = len(self._parts)
        if after:
            self._parts.append(after)
        return len(text)

    def _line_dropped(self) -> int:
        size = sum(map(len, self._parts[self._line :]))
        del self._parts[self._line :]
        return size

    def cut(self, size: int) -> None:
        """Keep so many characters less, and say that there was more."""
        whole = str(self)
        self._parts = [f"{whole[: max(len(whole) - size, 0)]}\n… ({words.said(words.MORE_PRINTED)})\n"]
        self._line = 1

    def __str__(self) -> str:
        return "".join(self._parts)


class Shown:
    """What a cell shows, in order, bounded; streams of the same name in a row are one output."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, Any]] = []
        self.writing: Stream | None = None  # the stream that has text which is not taken in yet
        self.full: list[Stream] = []  # those of which no more is kept
        self._left_out = False
        self._left = {"stdout": MAX_TEXT, "stderr": MAX_TEXT}
        self._to_clear = False

    def printed(self, name: str, text: str) -> bool:
        """Take in printed text; False where no more of this kind is kept."""
        if self._left[name] <= 0 or not text:
            return not text
        self._clear_first()
        if not self.outputs or self.outputs[-1]["kind"] != name:
            if not self._has_room():
                return False
            self.outputs.append({"kind": name, "text": Text()})
        written: Text = self.outputs[-1]["text"]
        self._left[name] -= written.add(text)
        if self._left[name] > 0:
            return True
        written.cut(-self._left[name])
        return False

    def displayed(self, kind: str, data: Any) -> None:
        """Take in a value or a picture."""
        self.flush()
        text = str(data.get("text/plain", ""))[:MAX_TEXT]
        picture = data.get("image/png")
        if not (text or picture):
            return
        self._clear_first()
        if not self._has_room():
            return
        output: dict[str, Any] = {"kind": kind, "text": text}
        if isinstance(picture, bytes):
            output |= (
                {"png": picture} if len(picture) <= MAX_PICTURE else {"text": f"{text} ({words.said(words.TOO_LARGE)})"}
            )
        self.outputs.append(output)

    def clear(self, wait: bool) -> None:
        """Forget all that was shown: `IPython.display.clear_output`. With `wait`, once something new is shown."""
        self.flush()
        self._to_clear = True
        if not wait:
            self._clear_first()

    def _clear_first(self) -> None:
        if self._to_clear:
            self.outputs.clear()
            self._to_clear, self._left_out = False, False
            self._left = dict.fromkeys(self._left, MAX_TEXT)
            for stream in self.full:
                vars(stream).pop("write", None)
            self.full.clear()

    def _has_room(self) -> bool:
        """Whether one more output can be kept; else that is told."""
        self._left_out |= len(self.outputs) >= MAX_OUTPUTS
        return len(self.outputs) < MAX_OUTPUTS

    def flush(self) -> None:
        """Take in what a stream holds back."""
        if self.writing is not None:
            self.writing.flush()

    def plain(self) -> list[dict[str, Any]]:
        """All of it as plain data."""
        self.flush()
        shown = [{**entry, "text": str(entry["text"])} for entry in self.outputs]
        shown = [entry for entry in shown if entry["text"] or "png" in entry]
        if self._left_out:
            told = words.said(words.MORE_SHOWN, most=MAX_OUTPUTS)
            shown.append({"kind": "stderr", "text": f"({told})\n"})
        return shown


class Stream(io.TextIOBase):
    """sys.stdout and sys.stderr while a cell runs."""

    encoding = "utf-8"

    def __init__(self, shown: Shown, name: str) -> None:
        self._shown = shown
        self._name = name
        self._held: list[str] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        text = str(text)
        if self._shown.writing is not self:  # outputs stay in their order
            self._shown.flush()
            self._shown.writing = self
        self._held.append(text)
        self._size += len(text)
        if self._size >= _AT_ONCE or len(self._held) >= _AT_ONCE:
            self.flush()
        return len(text)

    def flush(self) -> None:
        held, self._held, self._size = self._held, [], 0
        if not self._shown.printed(self._name, "".join(held)):
            self.write = len  # type: ignore[method-assign,assignment] # from now on it costs nothing
            self._shown.full.append(self)


class Unseen(io.TextIOBase):
    """sys.stdout and sys.stderr while a function is called: nobody reads what it prints, so it costs nothing."""

    encoding = "utf-8"
    write = staticmethod(len)

    def writable(self) -> bool:
        return True
