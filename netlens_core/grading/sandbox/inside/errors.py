"""Exceptions of student code in words: short, limited to the notebook's own lines, robust against hostile ones."""

from __future__ import annotations

import errno
import re
import traceback

from . import words

MAX_ERROR = 500  # characters
MAX_TRACE_LINES = 12
# What torch and the C library say when memory runs out.
_OUT_OF_MEMORY = ("can't allocate memory", "Cannot allocate memory", "not enough memory", "failed to map segment")
_STARTS_PROCESSES = {"fork", "_fork_exec", "_execute_child", "_launch", "fork_exec", "posix_spawn", "system", "popen"}
_STARTING = re.compile(r"\b(?:forkpty|fork|posix_spawnp?|spawn[lv]p?e?|exec[lv]p?e?)\(")
_NEEDS_NETWORK = {"gaierror", "URLError", "ConnectionError", "HTTPError", "RemoteDisconnected"}


def described(error: BaseException) -> str:
    """An exception in one line of at most about 600 characters; never raises, though its own text may."""
    try:
        name = str(type.__getattribute__(type(error), "__name__"))[:80]
    except BaseException:
        name = "An exception"
    try:
        text = str(error)[:MAX_ERROR]
    except BaseException:
        text = "(its message cannot be read)"
    return (f"{name}: {text}" if text else name) + _hint(error, name)


def _hint(error: BaseException, name: str) -> str:
    """What a student who meets the sandbox's walls needs to know."""
    try:
        if isinstance(error, EOFError) and str(error)[:MAX_ERROR] in ("", "EOF when reading a line"):  # input, getpass
            return f" ({words.said(words.NO_INPUT)})"
        if name == "BdbQuit":
            return f" ({words.said(words.NO_DEBUGGER)})"
        if isinstance(error, ModuleNotFoundError):
            on_colab = str(error.name or "").split(".")[:2] == ["google", "colab"] or error.name == "google"
            return f" ({words.said(words.ONLY_ON_COLAB if on_colab else words.NOT_INSTALLED)})"
        if type(error) is FileNotFoundError:
            return f" ({words.said(words.NO_FILE)})"
        if name in _NEEDS_NETWORK:
            return f" ({words.said(words.NO_NETWORK)})"
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG):
            return f" ({words.said(words.NO_SPACE)})"
        if isinstance(error, RuntimeError) and "start new thread" in str(error)[:MAX_ERROR]:
            return f" ({words.said(words.NO_THREADS)})"
        if name == "OperationalError" and "access permission denied" in str(error)[:MAX_ERROR]:
            return f" ({words.said(words.NO_FILE_LOCKS)})"
        if type(error) in (PermissionError, BlockingIOError, RuntimeError):
            frames = traceback.extract_tb(error.__traceback__)
            starts = {frame.name for frame in frames} & _STARTS_PROCESSES
            starts |= {frame.name for frame in frames if _STARTING.search(frame.line or "")}
            if starts or any("/multiprocessing/" in frame.filename for frame in frames):
                return f" ({words.said(words.NO_PROCESSES)})"
        if isinstance(error, OSError) and error.errno in (errno.EPERM, errno.ENOSYS):  # the system call filter
            makes_sockets = any(
                frame.filename.endswith("/socket.py") for frame in traceback.extract_tb(error.__traceback__)
            )
            return f" ({words.said(words.NO_NETWORK if makes_sockets else words.NOT_ALLOWED)})"
    except BaseException:
        return ""
    return ""


def traced(error: BaseException) -> str:
    """Where in the notebook an exception came from: the last lines of its own cells; never raises."""
    try:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [
            f"{frame.filename.strip('<>')}, line {frame.lineno}, in {frame.name}: {(frame.line or '')[:200]}"
            for frame in frames
            if frame.filename.startswith("<cell ")
        ]
        if isinstance(error, SyntaxError) and str(error.filename).startswith("<cell "):
            lines.append(
                f"{str(error.filename).strip('<>')}, line {error.lineno}: {str(error.text or '')[:200].strip()}"
            )
    except BaseException:
        return ""
    return "\n".join(lines[-MAX_TRACE_LINES:])[:4000]


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an exception says that the memory limit was hit."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError | OSError | ImportError):
        return False
    words = described(error)
    return any(sign in words for sign in _OUT_OF_MEMORY)
