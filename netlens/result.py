"""How checks in a notebook went: numbers for code, a panel for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlens_core.grading.public_checks import PublicCheck


@dataclass(frozen=True)
class CheckResult:
    """How one check, or all of an exercise, went.

    Attributes:
        exercise: the exercise's slug.
        title: its title, in the language of the panel.
        checks: each check with `name`, `title`, `passed`, `points`, `max_points`, `message`, `printed` and `pictures`.
        language: in which it is said.
        note: why nothing was run, where nothing was.
    """

    exercise: str
    title: str
    checks: tuple[PublicCheck, ...]
    language: str = "en"
    note: str = ""
    _shown: list[int] = field(default_factory=list, repr=False, compare=False)  # in which executions of cells

    @property
    def passed(self) -> bool:
        """Whether every check passed; False where none was run."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def points(self) -> float:
        """What these public checks earn together. Grading measures more."""
        return sum(check.points for check in self.checks)

    @property
    def max_points(self) -> float:
        """What these public checks are worth."""
        return sum(check.max_points for check in self.checks)

    @property
    def message(self) -> str:
        """What is wrong, a line for each check that failed; empty where all is well."""
        return self.note or "\n".join(check.message for check in self.checks if check.message)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data for `json.dumps`; of pictures, only how many there are."""
        return {
            "exercise": self.exercise,
            "language": self.language,
            "passed": self.passed,
            "points": self.points,
            "max_points": self.max_points,
            "message": self.message,
            "checks": [
                {
                    "name": check.name,
                    "title": check.title,
                    "passed": check.passed,
                    "points": check.points,
                    "max_points": check.max_points,
                    "message": check.message,
                    "printed": check.printed,
                    "pictures": len(check.pictures),
                }
                for check in self.checks
            ],
        }

    # -- as it is shown ------------------------------------------------------------------------------------

    def __str__(self) -> str:
        from netlens.panel import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"<CheckResult of {self.exercise}: {self.points:g} of {self.max_points:g} points>"

    def _repr_html_(self) -> str:
        from netlens.panel import as_html

        return as_html(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What every front end picks from: Jupyter's, VS Code's and Colab's take HTML, terminals text."""
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def show(self) -> None:
        """Show the panel in a notebook, print it elsewhere."""
        shell = _shell()
        if shell is None:
            print(self)
        else:
            self._shown.append(shell.execution_count)
            _publish(self)

    def _ipython_display_(self) -> None:
        """As a cell's last value it is shown, unless that cell showed it already."""
        shell = _shell()
        if not self.note and (shell is None or shell.execution_count not in self._shown):
            _publish(self)


def _publish(result: CheckResult) -> None:
    from IPython.display import publish_display_data

    publish_display_data(result._repr_mimebundle_())


def _shell() -> Any:
    from IPython import get_ipython

    return get_ipython()
