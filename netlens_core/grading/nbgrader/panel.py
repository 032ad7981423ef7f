"""What netlens says of a check, for nbgrader: a panel in the check's cell and a comment, both without live markup.

Messages and words in measurements may come from a student. nbgrader shows outputs and comments as HTML and Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from netlens_core.grading.grade import Check, FigureNote, Grade, Measurement
from netlens_core.grading.plain_text import plain
from netlens_core.grading.report.numbers import measured, percent, requirement
from netlens_core.grading.report.numbers import points as in_words
from netlens_core.grading.report.words import check_words, grade_word
from netlens_core.languages import translate

_COLOURS = {"passed": "#2e7d32", "partial": "#b26a00", "failed": "#b3261e"}
_OTHER = "#5f6368"
_MARKDOWN = re.compile(r"[\\`*\[\]<>&$#|~!]|(?<![^\W_])_|_(?![^\W_])")
_OTHER_LINK = re.compile(r"\](?=\s*[(:](?!\s*https?://))", re.I)
_COMMANDS_OF_MATHS = re.compile(
    r"\\(href|url|style|class|cssId|require|html\w*)"
)  # of MathJax, that make more than maths


# -- in the check's cell -----------------------------------------------------------------------------------


def panel_html(check: Check) -> str:
    """The panel: points, how it went, every measurement beside what was required, the message, the written answer."""
    colour = _COLOURS.get(check.status, _OTHER)
    rows = "".join(_row(measurement) for measurement in check.measurements)
    parts = [
        f'<div style="border-left: 4px solid {colour}; padding: 2px 10px">',
        f"<p><strong>{_html(_points(check))} · {_html(check_words()[check.status])}</strong> "
        f"{_html(check.description, 600)}</p>",
        f"<p>{_html(check.message)}</p>" if check.message else "",
        f"<table><tbody>{rows}</tbody></table>" if rows else "",
        f"<blockquote>{_html(check.answer, 20_000)}</blockquote>" if check.answer else "",
        "</div>",
    ]
    return "\n".join(part for part in parts if part)


def panel_text(check: Check) -> str:
    """The same as plain text."""
    lines = [f"{_points(check)} · {check_words()[check.status]}: {check.description}"]
    lines += [check.message] if check.message else []
    lines += [_in_a_line(measurement) for measurement in check.measurements]
    lines += [check.answer] if check.answer else []
    return plain("\n".join(lines), 30_000)


def caption_html(note: FigureNote) -> str:
    """A figure's caption, with what networks see in it."""
    seen = "".join(
        f"<br>{_html(sight.network, 100)}: "
        + ", ".join(f"{_html(name, 100)} {percent(probability)}" for name, probability in sight.categories)
        for sight in note.seen_by
    )
    return f"<p><em>{_html(note.caption, 300)}</em>{seen}</p>"


def _row(measurement: Measurement) -> str:
    sign = ("✓" if measurement.passed else "✗") if measurement.required else "·"
    cells = (sign, measurement.name, measured(measurement), requirement(measurement))
    return "<tr>" + "".join(f'<td style="padding-right: 12px">{_html(cell, 300)}</td>' for cell in cells) + "</tr>"


def _points(check: Check) -> str:
    given = "?" if check.status == "needs_manual_grade" else in_words(check.points)
    return translate("{given} of {most} points", given=given, most=in_words(check.max_points))


def _in_a_line(measurement: Measurement) -> str:
    sign = ("✓" if measurement.passed else "✗") if measurement.required else "·"
    return f"{sign} {measurement.name}: {measured(measurement)} ({requirement(measurement)})"


def _html(text: str, limit: int = 2000) -> str:
    return escape(plain(text, limit)).replace("\n", "<br>")


# -- as Markdown -------------------------------------------------------------------------------------------


def comment_on(checks: Iterable[Check], outdated: str = "") -> str:
    """What checks say, as a Markdown list; empty where all is said by the points.

    `outdated` tells why their grade is not the one that grading would give now.
    """
    lines = [f"- {_line(check)}" for check in checks if check.status != "needs_manual_grade" or check.message]
    if lines and outdated:
        lines.insert(0, f"- {in_markdown(outdated_words(outdated))}")
    return "\n".join(lines)


def _line(check: Check) -> str:
    said = [f"{check.name}, {_points(check)}"]
    said += [check.message] if check.message else []
    said += [_in_a_line(measurement) for measurement in check.measurements]
    return in_markdown("; ".join(said), 3000)


def heading(grade: Grade, outdated: str = "") -> str:
    """What is to be said of a submission as a whole, as Markdown; empty where there is nothing.

    `outdated` tells why the grade is not the one that grading would give now.
    """
    said = [outdated_words(outdated)] if outdated else []
    said += [grade.message] if grade.message else []
    said += list(grade.notes[:20])
    if not said and grade.status == "graded":
        return ""
    lines = [f"**{in_markdown(grade_word(grade.status))}**", *(f"- {in_markdown(text)}" for text in said)]
    return "\n".join([lines[0], "", *lines[1:]])


def outdated_words(reasons: str) -> str:
    """That a grade is not the one that grading would give now."""
    return translate("This grade is outdated: {reasons}.", reasons=reasons)


def in_markdown(text: str, limit: int = 2000) -> str:
    """Text in one line that Markdown shows as it is: nothing in it is markup, HTML or a formula."""
    return _MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", " ".join(plain(text, limit).split()))


def without_html(markdown: str) -> str:
    """A student's Markdown with its formatting and links to web pages, but without HTML, pictures and other links."""
    text = markdown.replace("&", "&amp;").replace("<", "&lt;").replace("![", "! [")
    # nbconvert takes links of every kind, `javascript:` included, and unescapes their addresses once more.
    text = _OTHER_LINK.sub("] ", text)
    return _COMMANDS_OF_MATHS.sub(r"\\ \1", text)
