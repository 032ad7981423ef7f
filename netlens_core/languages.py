"""The languages in which netlens speaks to students: a text in English, said in the language of their course.

    with speaking("cs"):
        translate("{name} is empty.", name="noise.ipynb")

Texts are literals in the code, so that `netlens_core.messages` finds them; translations are gettext catalogs: `locale/`
beside this file for what netlens says, `assignments/<slug>/cs.po` for what an exercise does. What has no translation
stays English.
"""

from __future__ import annotations

import contextlib
import gettext
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from netlens_core import NetlensError

LOCALE = Path(__file__).parent / "locale"
_LINE = re.compile(r'(#.*|(msg(ctxt|id|id_plural|str(\[\d+\])?)\s+)?"([^"\\]|\\.)*")?')  # of a catalog


class LanguageError(NetlensError, ValueError):
    """A language that netlens does not speak, or a catalog that cannot be read."""


@dataclass(frozen=True)
class Catalog:
    """Translations into one language as plain data, which can be hashed and sent to another machine.

    Attributes:
        plural: which form belongs to a count, as gettext writes it.
        messages: English text -> its translation; several where a count decides which form is said.
    """

    language: str = "en"
    plural: str = "n != 1"
    messages: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def __or__(self, other: Catalog) -> Catalog:
        """These translations, and over them those of another catalog of the same language."""
        return Catalog(self.language, self.plural, {**self.messages, **other.messages})

    def as_bytes(self) -> bytes:
        """All of it, for a hash: equal catalogs give equal bytes."""
        return json.dumps([self.language, self.plural, dict(self.messages)], sort_keys=True).encode()


ENGLISH = Catalog()
_SPOKEN: ContextVar[Catalog] = ContextVar("netlens_language", default=ENGLISH)


# -- speaking --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def speaking(language: str | Catalog) -> Iterator[None]:
    """Speak a language, of netlens's own catalog or of another one. Raises LanguageError for an unknown language."""
    token = _SPOKEN.set(language if isinstance(language, Catalog) else own_catalog(language))
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def spoken() -> str:
    """The language that is spoken here, such as "en"."""
    return _SPOKEN.get().language


def translate(text: str, /, **values: object) -> str:
    """A text in the language that is spoken, with values in the place of its `{names}`."""
    found = _SPOKEN.get().messages.get(text)
    said = found[0] if found else text
    return said.format(**values) if values else said


def ngettext(one: str, many: str, count: int, /, **values: object) -> str:
    """A text whose form depends on a count, which stands in it as `{count}`; other `{names}` as in `translate`."""
    catalog = _SPOKEN.get()
    found = catalog.messages.get(one, ())
    form = _form(catalog.plural)(count) if len(found) > 1 else 0
    said = found[form] if form < len(found) else one if count == 1 else many
    return said.format(count=count, **values)


def N_(text: str) -> str:
    """Marks a text that is translated later, where it is said."""
    return text


def NN_(one: str, many: str) -> tuple[str, str]:
    """Marks a text whose form depends on a count, for a later `ngettext`."""
    return one, many


@lru_cache(maxsize=8)
def _form(plural: str) -> Callable[[int], int]:
    form: Callable[[int], int] = gettext.c2py(plural)
    return form


# -- catalogs --------------------------------------------------------------------------------------------


def known_languages() -> list[str]:
    """The languages that netlens speaks."""
    return sorted({ENGLISH.language, *(path.stem for path in LOCALE.glob("*.po"))})


def known_language(name: str) -> str:
    """The same name. Raises LanguageError, which names the languages there are, for one that netlens does not speak."""
    if name not in known_languages():
        raise LanguageError(f"netlens does not speak {ascii(name)[:40]}; it speaks {', '.join(known_languages())}")
    return name


def own_catalog(language: str) -> Catalog:
    """What netlens itself says in a language. Raises LanguageError for an unknown one."""
    if known_language(language) == ENGLISH.language:
        return ENGLISH
    return read_catalog(LOCALE / f"{language}.po", language)


def read_catalog(path: Path, language: str) -> Catalog:
    """The translations in a .po file, read once while it stays as it is; unfinished ("fuzzy") ones are left out.

    Raises LanguageError for a file that cannot be read or is no catalog.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise LanguageError(f"{path} cannot be read: {error.strerror}") from None
    return _read(path, language, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=64)
def _read(path: Path, language: str, state: tuple[int, int]) -> Catalog:
    from babel.messages.pofile import PoFileError, read_po

    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        found = read_po(lines, locale=language, abort_invalid=True)
    except (PoFileError, ValueError) as error:
        raise LanguageError(f"{path} is no gettext catalog: {error}") from None
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line.strip()):  # Babel would take such a text without its first and last letter
            raise LanguageError(f"{path} is no gettext catalog: line {number} is no text in quotes")
    messages = {}
    for message in found:
        english, said = message.id, message.string or ""
        forms = (said,) if isinstance(said, str) else tuple(said)
        if english and not message.fuzzy and all(forms):
            messages[english if isinstance(english, str) else english[0]] = forms
    return Catalog(language, found.plural_expr, messages)
