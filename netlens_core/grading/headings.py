"""Headings of tables of students and grades, as platforms write them in several languages."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

from netlens_core.grading.plain_text import plain

EMAIL = (
    "email address", "email", "e-mail", "e-mail address", "mail", "e-mailová adresa", "emailová adresa",
    "e-mail-adresse", "adresse de courriel", "adresse e-mail", "courriel", "dirección de correo", "correo electrónico",
    "dirección de correo electrónico", "dirección email", "indirizzo email", "indirizzo e-mail", "adres e-mail",
    "adres email", "endereço de e-mail", "endereço de email", "e-mailadres", "e-postadress", "e-mail cím",
    "adresă de e-mail", "адрес электронной почты", "електронна пошта", "e-posta adresi",
)  # fmt: skip
NUMBER = (
    "sis user id", "sis id", "id number", "idnumber", "student number", "org defined id", "orgdefinedid",
    "identifikační číslo", "id číslo", "identifikačné číslo", "id-nummer", "matrikelnummer", "matrikel",
    "matriculation", "matriculation number", "numéro d'identification", "número de id", "número de identificación",
    "codice identificativo", "numero di matricola", "matricola", "numer id", "numer identyfikacyjny", "nr albumu",
    "número de identificação", "identificatienummer",
)  # fmt: skip
LOGIN = (
    "sis login id", "login id", "login", "username", "user name", "uživatelské jméno", "používateľské meno",
    "anmeldename", "benutzername", "benutzerkennung", "nom d'utilisateur", "identifiant de connexion",
    "nombre de usuario", "nome utente", "nazwa użytkownika", "nome de usuário", "nome de utilizador",
    "gebruikersnaam", "användarnamn", "felhasználónév",
)  # fmt: skip
NAME = (
    "full name", "fullname", "name", "student name", "student", "display name", "celé jméno", "jméno a příjmení",
    "celé meno", "vollständiger name", "nom complet", "nombre completo", "nombre completo del usuario",
    "apellido(s) y nombre", "nome completo", "cognome nome", "nome e cognome", "pełna nazwa", "imię i nazwisko",
    "nazwisko i imię", "volledige naam", "fullständigt namn", "teljes név", "nume complet", "полное имя",
)  # fmt: skip
FIRST_NAME = (
    "first name", "firstname", "given name", "křestní jméno", "jméno", "meno", "vorname", "prénom", "nombre", "imię",
    "nome", "voornaam", "förnamn",
)  # fmt: skip
LAST_NAME = (
    "last name", "lastname", "surname", "family name", "příjmení", "priezvisko", "nachname", "nom", "nom de famille",
    "apellido(s)", "apellidos", "cognome", "nazwisko", "sobrenome", "apelido", "achternaam", "efternamn",
)  # fmt: skip
# Moodle's own number of a student in one assignment, and other platforms' own numbers.
PARTICIPANT = (
    "identifier", "participant", "identifikátor", "identifiant", "identificador", "identificatore", "identificativo",
    "identyfikator", "azonosító", "identifierare", "идентификатор", "ідентифікатор",
)  # fmt: skip
# The worksheet of a Moodle assignment.
GRADE = (
    "grade", "známka", "hodnocení", "hodnotenie", "bewertung", "note", "calificación", "valutazione", "voto", "ocena",
    "nota", "avaliação", "cijfer", "beoordeling", "betyg", "karakter", "osztályzat", "értékelés", "оценка", "оцінка",
    "not", "notă", "qualificació",
)  # fmt: skip
MAXIMUM = (
    "maximum grade", "max grade", "maximální známka", "nejvyšší známka", "maximálna známka", "bestwertung",
    "höchstbewertung", "maximale bewertung", "note maximale", "calificación máxima", "valutazione massima",
    "voto massimo", "ocena maksymalna", "maksymalna ocena", "nota máxima", "avaliação máxima", "maximumcijfer",
    "maximale cijfer", "maxbetyg", "maximum osztályzat", "максимальная оценка", "максимальна оцінка",
)  # fmt: skip
CHANGEABLE = (
    "grade can be changed", "známka může být změněna", "známku lze změnit", "hodnocení může být změněno",
    "známka môže byť zmenená", "bewertung kann geändert werden", "la note peut être modifiée",
    "la calificación puede ser cambiada", "la calificación puede cambiarse", "la valutazione può essere modificata",
    "la valutazione può essere cambiata", "ocena może być zmieniona", "ocena może zostać zmieniona",
    "nota pode ser alterada", "a nota pode ser alterada", "cijfer kan gewijzigd worden",
)  # fmt: skip
COMMENTS = (
    "feedback comments", "komentář k odevzdanému úkolu", "komentáře", "komentář", "komentáre", "feedback als kommentar",
    "feedback par commentaires", "commentaires", "commentaires de feedback", "comentarios de retroalimentación",
    "comentarios de la retroalimentación", "comentarios", "commenti", "commenti di feedback", "feedback commenti",
    "komentarze", "komentarz zwrotny", "komentarze zwrotne", "comentários de feedback", "comentários",
    "feedback via comentários", "feedback opmerkingen", "commentaar",
)  # fmt: skip
YES = frozenset(
    ("yes", "ano", "áno", "ja", "oui", "sí", "sì", "si", "sim", "tak", "igen", "да", "так", "evet", "da", "kyllä")
)
NO = frozenset(("no", "ne", "nein", "nie", "non", "não", "nee", "nej", "nei", "nem", "нет", "ні", "hayır", "nu", "ei"))


def folded(text: str) -> str:
    """A heading as it is compared: without case, marks of accents composed, one kind of apostrophe and space."""
    composed = unicodedata.normalize("NFC", text.removeprefix("\ufeff")).replace("\u2019", "'")
    return " ".join(composed.casefold().split())


def place_of(heading: Sequence[str], names: Iterable[str]) -> int | None:
    """Where the first of some names stands in a heading; None where none does."""
    known = [folded(cell) for cell in heading]
    return next((known.index(name) for name in map(folded, names) if name in known), None)


def no_column(wanted: str, heading: Sequence[str]) -> str:
    """What to say of a column that is not there: which are, and which of them may be meant."""
    there = [cell.strip() for cell in heading if cell.strip()]
    close = difflib.get_close_matches(folded(wanted), [folded(cell) for cell in there], 1, 0.6)
    meant = next((cell for cell in there if close and folded(cell) == close[0]), "")
    asked = f"; did you mean {plain(meant, 60)!r}?" if meant else ""
    return f"no column {plain(wanted, 60)!r} (it has {plain(', '.join(there), 400) or 'nothing'}){asked}"


def name_in(cells: dict[str, str]) -> str:
    """A student's name in a row, `last, first` where it is in two columns; keys are folded headings."""
    for name in NAME:
        if cells.get(name):
            return cells[name]
    first = next((cells[name] for name in FIRST_NAME if cells.get(name)), "")
    last = next((cells[name] for name in LAST_NAME if cells.get(name)), "")
    return f"{last}, {first}" if first and last else last or first
