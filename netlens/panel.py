"""The panel that a check shows: HTML that stands alone, without scripts and style sheets, and the same as text.

Colours come from the page around it, so that it can be read on white and on black; only badges bring their own.
"""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

from netlens_core.languages import speaking, translate

if TYPE_CHECKING:
    from netlens.result import CheckResult
    from netlens_core.grading.public_checks import PublicCheck

_GREEN, _RED = "#1a7f37", "#c62828"
_LINE = "1px solid rgba(128,128,128,0.45)"
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:14px;line-height:1.5;color:inherit"
_MONO = "font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:12.5px"


def as_html(result: CheckResult) -> str:
    """A result as one HTML element."""
    with speaking(result.language):
        parts = [_check_html(check) for check in result.checks]
        if len(parts) > 1:
            parts.insert(0, _sum_html(result))
        parts.append(f'<div style="margin:8px 2px 0;font-size:12.5px;opacity:0.75">{escape(_footnote())}</div>')
    return f'<div lang="{escape(result.language)}" style="{_FONT};max-width:60em;margin:4px 0">{"".join(parts)}</div>'


def _sum_html(result: CheckResult) -> str:
    title = f'<b style="margin-right:10px">{escape(result.title)}</b>'
    return f'<div style="margin:0 2px 8px">{title}{escape(_points(result.points, result.max_points))}</div>'


def _check_html(check: PublicCheck) -> str:
    color = _GREEN if check.passed else _RED
    box = f"border:{_LINE};border-left:5px solid {color};border-radius:4px;padding:8px 14px 10px;margin:0 0 8px"
    return f'<div style="{box}">{_heading(check, color)}{_body(check)}</div>'


def _heading(check: PublicCheck, color: str) -> str:
    badge = f"background:{color};color:#fff;border-radius:3px;padding:1px 8px;margin-right:10px;white-space:nowrap"
    beside = "margin-left:10px;white-space:nowrap;opacity:0.8"
    points = f'<span style="{beside}">{escape(_points(check.points, check.max_points))}</span>'
    name = f'<span style="{beside};{_MONO}">{escape(check.name)}</span>'
    title = f"<b>{escape(_title(check))}</b>"
    return f'<div><span style="{badge}">{escape(_verdict(check))}</span>{title}{points}{name}</div>'


def _body(check: PublicCheck) -> str:
    parts = []
    if check.message:
        parts.append(f'<div style="margin-top:6px;overflow-wrap:anywhere">{escape(check.message)}</div>')
    if check.printed.strip():
        style = f"{_MONO};margin-top:6px;padding:6px 10px;background:rgba(128,128,128,0.14);border-radius:3px"
        style += ";white-space:pre-wrap;overflow-wrap:anywhere;max-height:24em;overflow-y:auto"
        parts.append(f'<div style="{style}">{escape(check.printed.rstrip())}</div>')
    for number, picture in enumerate(check.pictures, 1):
        alt = escape(translate("{title}, picture {number}", title=_title(check), number=number))
        style = "display:block;max-width:100%;height:auto;margin-top:8px;background:#fff;border-radius:3px"
        parts.append(f'<img alt="{alt}" style="{style}" src="data:image/png;base64,{b64encode(picture).decode()}">')
    return "".join(parts)


def as_text(result: CheckResult) -> str:
    """A result as plain text."""
    with speaking(result.language):
        lines = []
        for check in result.checks:
            points = _points(check.points, check.max_points)
            lines.append(f"{_verdict(check)}: {_title(check)} ({points}; {check.name})")
            lines += [f"  {line}" for line in f"{check.message}\n{check.printed}".splitlines() if line.strip()]
        if len(result.checks) > 1:
            lines.append(f"{result.title}: {_points(result.points, result.max_points)}")
        return "\n".join([*lines, _footnote()])


def _verdict(check: PublicCheck) -> str:
    return "✓ " + translate("passed") if check.passed else "✗ " + translate("not passed")


def _title(check: PublicCheck) -> str:
    return check.title.replace("`", "") or check.name


def _points(points: float, most: float) -> str:
    return translate("{points} of {most} points", points=f"{points:g}", most=f"{most:g}")


def _footnote() -> str:
    return translate("These checks are public; grading looks at more images, and at answers.")
