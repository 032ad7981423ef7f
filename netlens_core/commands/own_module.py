"""Load a module from a user's own Python file: FILE.py:NAME, where NAME is a module, a class or a function."""

from __future__ import annotations

import atexit
import contextlib
import difflib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from netlens_core import NetlensError

if TYPE_CHECKING:
    from torch import nn


@contextlib.contextmanager
def output_to_stderr() -> Iterator[None]:
    """Send what a user's code prints to standard error, so that --json stays JSON; also what its C code prints."""
    saved = None
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        saved = os.dup(1)
        os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


def own_module(file: Path, name: str) -> nn.Module:
    """What NAME of a Python file is or makes; the file is the user's own and is run.

    Raises NetlensError, in one line, for whatever goes wrong in it.
    """
    from torch import nn

    if not file.is_file():
        raise NetlensError(f"{file} is no file: give FILE.py:NAME")
    made = _value(_executed(file), file, name)
    if not isinstance(made, nn.Module) and callable(made):
        _refuse_arguments(made, file, name)
        made = _guarded(f"{file}:{name}", made)
    if not isinstance(made, nn.Module):
        raise NetlensError(f"{file}:{name} makes a {type(made).__name__}, not an nn.Module")
    return made


def _executed(file: Path) -> ModuleType:
    """The file as an imported module; files beside it can be imported by it, as when Python runs it."""
    # A name of its own: a file called torch.py must not stand for torch. Dataclasses look into sys.modules for it.
    spec = importlib.util.spec_from_file_location(f"netlens_own_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise NetlensError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    _guarded(str(file), partial(spec.loader.exec_module, module))
    atexit.register(_silence)  # runs before the handlers that the file has registered
    return module


def _value(module: ModuleType, file: Path, name: str) -> Any:
    names = vars(module)
    if name in names:
        return names[name]
    own = [key for key, value in names.items() if not key.startswith("_") and _is_offer(value, module)]
    close = difflib.get_close_matches(name, own, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    listed = f"; it has {', '.join(own[:20])}" if own else "; it defines no module, class or function"
    raise NetlensError(f"{file} has no {name!r}{hint or listed}")


def _is_offer(value: Any, module: ModuleType) -> bool:
    from torch import nn

    return isinstance(value, nn.Module) or (callable(value) and getattr(value, "__module__", "") == module.__name__)


def _refuse_arguments(made: Any, file: Path, name: str) -> None:
    try:
        parameters = inspect.signature(made).parameters.values()
    except (TypeError, ValueError):  # built in: no signature to be had
        return
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in optional]
    if needed:
        kind = "class" if inspect.isclass(made) else "function"
        raise NetlensError(
            f"{file}:{name} is a {kind} that needs {', '.join(needed)}: write a function without arguments that makes "
            "the module, and give its name"
        )


def _guarded(what: str, run: Any) -> Any:
    """Run code of the user's; whatever it raises, an exit included, becomes one line."""
    try:
        return run()
    except (Exception, SystemExit) as error:
        raise NetlensError(f"{what} fails: {described(error)}") from None


def described(error: BaseException) -> str:
    """An exception in one line, with the line of the user's file where there is one."""
    text = " ".join(str(error).split())
    if isinstance(error, SystemExit):
        return f"it ends the program (sys.exit({error.code!r}))"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _silence() -> None:
    """At the very end: what the file's own exit handlers print must not follow the JSON."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        os.dup2(2, 1)
    sys.stdout = sys.stderr
