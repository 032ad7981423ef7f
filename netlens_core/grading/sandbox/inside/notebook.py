"""A notebook without a kernel: cells run in order through IPython, what each one shows is captured.

Shell commands and installers are refused with a message; a cell that raises costs only itself.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from . import words
from .errors import described, is_out_of_memory, traced
from .printed import MAX_OUTPUTS, Shown, Stream

_DPI = 72
_SHELL_MAGICS = ("system", "sx", "!", "bash", "sh", "cmd", "script", "perl", "ruby", "pypy", "python2")
_INSTALLERS = ("pip", "conda", "mamba", "micromamba", "uv")


class Notebook:
    """One IPython namespace. Made in the warm process; each submission gets a forked copy."""

    def __init__(self) -> None:
        quiet = Config()
        quiet.HistoryManager.enabled = False  # else a thread writes to a database
        quiet.InteractiveShell.colors = "nocolor"
        quiet.DisplayFormatter.active_types = ["text/plain", "image/png"]
        self._shell = InteractiveShell.instance(config=quiet)
        self._shell.compile.get_code_name = lambda *_: f"<cell {self._number}>"  # type: ignore[method-assign]
        for name in ("showtraceback", "showsyntaxerror", "showindentationerror", "_showtraceback"):
            setattr(self._shell, name, lambda *_, **__: None)  # errors are reported once, by us
        self._shell.ask_exit = lambda: None  # type: ignore[attr-defined] # `exit` ends a kernel; here the next cells still run
        self._shell.db = {}  # %cd and others keep notes; on disk by default
        self._number = 0
        self._refuse_shell()
        self._use_figures()

    @property
    def names(self) -> dict[str, Any]:
        """The notebook's variables."""
        return self._shell.user_ns

    def _refuse_shell(self) -> None:
        def command(line: str, *_: Any, **__: Any) -> None:
            print(words.said(words.NO_SHELL, line=line), file=sys.stderr)

        def lines_of_command(line: str, *_: Any, **__: Any) -> list[str]:
            command(line)
            return []

        def install(line: str, *_: Any) -> None:
            print(words.said(words.NO_INSTALLING, line=line), file=sys.stderr)

        for name in ("system", "system_raw", "system_piped"):
            setattr(self._shell, name, command)
        self._shell.getoutput = lines_of_command  # type: ignore[method-assign,assignment]
        for kind in ("line", "cell"):
            for name in _SHELL_MAGICS:
                self._magic(lambda line, cell="", name=name: command(f"{name} {line}".strip()), kind, name)
            for name in _INSTALLERS:
                self._magic(lambda line, cell="", name=name: install(f"{name} {line}".strip()), kind, name)

    def _magic(self, function: Callable[..., None], kind: str, name: str) -> None:
        self._shell.magics_manager.register_function(function, magic_kind=kind, magic_name=name)

    def _use_figures(self) -> None:
        """Figures are collected after each cell and at `plt.show()`, whichever backend the notebook asks for."""
        import matplotlib

        matplotlib.use("Agg")
        matplotlib.rcParams["figure.max_open_warning"] = 0
        from matplotlib import pyplot

        pyplot.switch_backend("Agg")
        pyplot.show = lambda *_, **__: None  # replaced while a cell runs
        for name in ("matplotlib", "pylab"):
            self._magic(lambda line: None, "line", name)

    def rehearse(self) -> None:
        """Use what notebooks use, once, so that forked copies find it ready: a cell, a display, a figure."""
        from matplotlib import pyplot

        _, (left, right) = pyplot.subplots(1, 2)
        left.plot([0, 1])
        right.imshow([[0.0, 0.5], [0.5, 1.0]])
        right.set_title("x")
        self.run("import numpy, torch\ntorch.zeros(2)", 0)
        for name in ("numpy", "torch", "_"):
            self.names.pop(name, None)

    def run(self, source: str, number: int) -> dict[str, Any]:
        """Run one cell; what it showed, and how it failed if it did, as plain data."""
        self._number = number
        shown = Shown()
        quiet = source.rstrip().endswith(";")  # as in Jupyter, this hides the last value
        with self._captured(shown, quiet):
            result = self._shell.run_cell(source.removeprefix("\ufeff"), store_history=False)
            _collect_figures(shown)
        error = result.error_before_exec or result.error_in_exec
        return {
            "cell": number,
            "error": described(error) if error else None,
            "trace": traced(error) if error else "",
            "memory": is_out_of_memory(error),
            "outputs": shown.plain(),
        }

    @contextlib.contextmanager
    def _captured(self, shown: Shown, quiet: bool) -> Iterator[None]:
        from matplotlib import pyplot

        shell, publisher, hook = self._shell, self._shell.display_pub, self._shell.display_trap.hook

        class Publisher(type(publisher)):  # type: ignore[misc]
            def publish(self, data: Any, *_: Any, **__: Any) -> None:
                # Publishers may be entered twice: %%capture and the like replace this one for a while.
                shown.displayed("display", data)

            def clear_output(self, wait: bool = False) -> None:
                shown.clear(wait)

        def show_value(value: Any) -> None:
            if value is not None:
                shell.user_ns["_"] = value
                if not quiet and shell.display_formatter is not None:
                    shown.displayed("result", shell.display_formatter.format(value)[0])

        shell.display_pub = Publisher()
        pyplot.show = lambda *_, **__: _collect_figures(shown)
        out, err = Stream(shown, "stdout"), Stream(shown, "stderr")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            shell.display_trap.hook = show_value
            try:
                yield
            finally:
                shell.display_trap.hook, shell.display_pub = hook, publisher


def _collect_figures(shown: Shown) -> None:
    """Matplotlib's open figures as PNG, then closed, as a notebook shows them after a cell."""
    try:
        from matplotlib import pyplot

        for number in pyplot.get_fignums()[: MAX_OUTPUTS + 1]:  # one more shows that some are left out
            held = io.BytesIO()
            figure = pyplot.figure(number)
            figure.savefig(held, format="png", dpi=_DPI, bbox_inches="tight", metadata={"Software": None})
            shown.displayed("display", {"text/plain": "<Figure>", "image/png": held.getvalue()})
        pyplot.close("all")
    except Exception as error:  # a figure that cannot be drawn is the student's own; the notebook goes on
        shown.printed("stderr", words.said(words.NO_FIGURE, error=described(error)) + "\n")
