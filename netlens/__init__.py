"""What students use in their notebooks: the public checks of an exercise, where they work.

    import netlens
    netlens.check("test_network_is_fooled")      # one check, or all of the notebook's exercise: netlens.check()

Importing it costs nothing; what runs the checks is imported when one is run.
"""

from __future__ import annotations

import os

from netlens.result import CheckResult

__all__ = ["CheckResult", "check"]


def check(name: str = "", *, exercise: str = "", language: str = "") -> CheckResult:
    """Run a public check, or all of an exercise, as handed out, with what the notebook has now; show how it went.

    In a notebook, a small panel shows numbers, pictures and what is wrong; elsewhere, text is printed. It is your own
    check: grading runs your functions anew, on pictures that you have not seen.

    Args:
        name: a check's name, with or without `test_`; all checks of the exercise where none is named.
        exercise: the exercise; by default found by the check's name, the notebook's, and the functions that are there.
        language: the language of the panel, such as "cs"; by default the notebook's.

    Raises netlens_core.NetlensError for an unknown name (its message lists those there are), and where the exercise
    has to be named.
    """
    if os.environ.get("NETLENS_CHECKING"):  # netlens runs this notebook, with checks of its own
        return CheckResult(exercise, exercise, (), language or "en", "Not run here: the notebook is being checked.")
    from netlens.running import run_checks

    return run_checks(name, exercise, language)
