"""What is said to students from inside the sandbox, in the language that the grader speaks.

The grader hands over translations of `INSIDE` with the notebook; without them everything is English.
"""

from __future__ import annotations

from collections.abc import Mapping

INSIDE: list[str] = []  # everything that may be said
_translations: dict[str, str] = {}


def N_(text: str) -> str:
    """Marks a text that is said here, and translated by the grader."""
    INSIDE.append(text)
    return text


NESTED = N_("a value nested more than {most} deep")
COMPLEX = N_("a complex number; return real numbers")
OTHER_KIND = N_("a {kind}; return tensors, arrays, numbers, text, lists or dicts")
OTHER_KEY = N_("a dict with a {kind} as key; use text")
SPARSE = N_("a sparse or quantized tensor; return a dense one")
COMPLEX_TENSOR = N_("a complex tensor; return real numbers")
EMPTY = N_("a tensor without values (device “meta”)")
OTHER_ARRAY = N_("an array of {kind}; return real numbers")
DIMENSIONS = N_("an array with {count} dimensions; {most} are the most")
NO_NETWORK = N_("there is no network here")
NO_PROCESSES = N_("no processes are started here: leave out subprocesses, and use num_workers=0 and n_jobs=1")
NO_WORKERS = N_("no processes are started here: DataLoader works without workers, as with num_workers=0")
NO_INPUT = N_("nobody is there to answer in grading: write the value into the code instead of input()")
NO_DEBUGGER = N_("nobody is there to debug in grading: leave out breakpoint() and pdb")
ONLY_ON_COLAB = N_("google.colab exists only on Colab: leave this import, and what uses it, out of what you hand in")
NOT_INSTALLED = N_("grading has only what comes with the course, and only the one file that you hand in")
NO_FILE = N_("in grading there are only the notebook and the pictures that came with it")
NOT_ALLOWED = N_("not allowed here: a submission may compute, and read and write its own files")
NO_FILE_LOCKS = N_("files cannot be locked here: let sqlite3 work in memory")
NO_SPACE = N_("the working folder is full: few files fit in here")
NO_THREADS = N_("no more threads are allowed here")
NO_SHELL = N_("shell commands are not run here: {line}")
NO_INSTALLING = N_("packages are not installed here: {line}")
MORE_PRINTED = N_("more was printed than is kept")
MORE_SHOWN = N_("more outputs of this cell are left out: {most} are the most")
TOO_LARGE = N_("picture too large")
NO_FIGURE = N_("a figure cannot be drawn: {error}")


def speak(translations: Mapping[str, str]) -> None:
    """Say everything in other words from now on."""
    _translations.update(translations)


def said(text: str, **values: object) -> str:
    """One of the texts above in the grader's language, with values in the place of its `{names}`."""
    return _translations.get(text, text).format(**values)
