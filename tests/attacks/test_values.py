"""Attacks by what is returned: tensors, arrays and containers that are not what they seem."""

from __future__ import annotations

import numpy as np
import pytest

from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.values import BORDER, SubmissionError, answers_from

TOLD = ("ok", "error", "bad_reply")
BRIEF = Limits(start_seconds=20, call_seconds=0.5, total_seconds=20, memory_mb=256)
SMALL = Limits(start_seconds=20, call_seconds=8, total_seconds=30, memory_mb=256)
IMPORTS = "import numpy as np, torch\nimport warnings; warnings.simplefilter('ignore')\n"


@pytest.mark.parametrize(
    "value",
    [
        "torch.eye(3).to_sparse()",
        "torch.eye(3).to_sparse_csr()",
        "torch.quantize_per_tensor(torch.rand(3, 4), 0.1, 0, torch.quint8)",
        "torch.empty(3, 4, device='meta')",
        "torch.empty(1 << 40, device='meta')",
        "torch.complex(torch.ones(3), torch.ones(3)).conj()",
        "np.array([print, open], dtype=object)",
        "np.array([[1], [1, 2]], dtype=object)",
        "np.zeros(3, dtype=[('a', 'f4'), ('b', 'O')])",
        "np.array(['a', 'b'])",
        "np.zeros(3, 'datetime64[s]')",
        "np.zeros(3, 'complex64')",
        "np.zeros(3, np.longdouble)",
        "np.zeros((1,) * 20)",
        "type('Evil', (), {'__reduce__': lambda self: (print, ('unpickled',))})()",
        "open('given.txt')",
        "lambda: 1",
        "{(1, 2): 3}",
        "{1, 2}",
        "torch.nn.Linear(2, 2)",
        "sys.modules",
        "sys._getframe()",
    ],
)
def test_values_without_a_plain_form_are_refused_in_words(strike, value):
    """Sparse, quantised, nested, empty of values, complex, objects, pickles, functions: told, never sent."""
    outcome = strike(f"{IMPORTS}def attack(): return {value}").outcome
    assert outcome.status == "bad_reply", outcome
    assert outcome.message.startswith("`attack` returned ") and len(outcome.message) < 600


@pytest.mark.parametrize(
    "value",
    [
        "torch.zeros(1).expand(1 << 40)",
        "torch.zeros(1).as_strided((1 << 20, 1 << 20), (0, 0))",
        "np.broadcast_to(np.float32(0), (1 << 20, 1 << 20))",
        "np.lib.stride_tricks.as_strided(np.zeros(1), (1 << 20, 1 << 20), (0, 0))",
        "[x := [0] * 1000] * 600",
        "torch.zeros(70 << 18)",
    ],
)
def test_small_views_of_gigantic_shape_are_bounded(strike, value):
    """A view can announce a terabyte that it does not have; writing it out hits the limits of its own process."""
    outcome = strike(f"{IMPORTS}def attack(): return {value}", limits=SMALL).outcome
    assert outcome.status in ("out_of_memory", "bad_reply", "error"), outcome
    assert len(outcome.message) < 2000


@pytest.mark.parametrize(
    "value",
    [
        "torch.arange(12.).reshape(3, 4).t().t()",
        "torch.arange(24.)[::2].reshape(3, 4) / 2",
        "torch.arange(12.).reshape(3, 4).requires_grad_()",
        "torch.arange(12.).reshape(3, 4).neg().neg()",
        "torch._neg_view(-torch.arange(12.).reshape(3, 4))",
        "np.memmap('mapped', np.float32, 'w+', shape=(3, 4)).__iadd__(np.arange(12, dtype=np.float32).reshape(3, 4))",
        "np.arange(12, dtype='>f4').reshape(3, 4)",
        "np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4))",
        "torch.nn.Parameter(torch.arange(12.).reshape(3, 4))",
    ],
)
def test_views_and_memory_maps_arrive_as_plain_copies(strike, value):
    """Strides, byte order, gradients, files behind the memory: what arrives is the numbers."""
    got = strike(f"{IMPORTS}def attack(): return {value}").gains
    assert type(got) is np.ndarray and not got.flags.writeable
    assert np.array_equal(got, np.arange(12, dtype=np.float32).reshape(3, 4))


def test_a_memory_map_whose_file_shrinks_hurts_its_maker(strike):
    """Reading behind the end of a mapped file is a bus error: in the submission's process, not in the grader's."""
    source = IMPORTS + (
        "def attack():\n    mapped = np.memmap('mapped', np.float32, 'w+', shape=(1 << 20,))\n"
        "    os.truncate('mapped', 0)\n    return mapped"
    )
    assert strike(source).outcome.status == "crashed"


@pytest.mark.parametrize(
    "body",
    [
        "return 'forged'",
        "raise SystemExit('no')",
        "return torch.ones(3, 3)",
        "os._exit(0)",
        "return func(*args, **(kwargs or {}))",
    ],
)
def test_subclasses_that_intercept_torch_are_not_asked(strike, body):
    """`__torch_function__` could answer for every method; it is switched off where values are written down."""
    source = f"""{IMPORTS}
class Evil(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        {body}
def attack():
    return torch.Tensor._make_subclass(Evil, torch.zeros(3, 3))
"""
    got = strike(source).gains
    assert np.array_equal(got, np.zeros((3, 3)))


@pytest.mark.parametrize(
    ("definition", "statuses"),
    [
        ("class E(str):\n    def __str__(self): raise SystemExit\nvalue = E('x')", TOLD),
        ("class E(int):\n    def __int__(self): return 1 / 0\nvalue = E(1)", TOLD),
        ("class E(float):\n    def __float__(self): os._exit(0)\nvalue = E(1)", ("ok", "crashed")),
        ("class E(dict):\n    def items(self):\n        while True: yield 'a', 1\nvalue = E()",
         ("timed_out", "out_of_memory")),
        ("class E(list):\n    def __iter__(self):\n        while True: yield self\nvalue = E()",
         ("bad_reply", "error")),
        ("class E(np.ndarray):\n    dtype = shape = ndim = None\nvalue = np.zeros(3).view(E)", TOLD),
        ("class E:\n    __class__ = torch.Tensor\nvalue = E()", ("error", "bad_reply")),
        ("class E(torch.Tensor):\n    layout = device = None\nvalue = torch.zeros(3).as_subclass(E)", TOLD),
        ("value = []\nfor _ in range(100_000): value = [value]", ("bad_reply",)),
        ("value = []\nvalue.append(value)", ("bad_reply",)),
        ("value = 10 ** 100_000", ("bad_reply", "error", "ok")),
        ("value = 'x' * (2 << 20)", ("bad_reply",)),
        ("value = {f'{n}': n for n in range(80_000)}", ("bad_reply",)),
    ],
)  # fmt: skip
def test_containers_and_numbers_that_misbehave_hurt_themselves(strike, definition, statuses):
    """Conversion runs the submission's own methods in the submission's own process."""
    limits = SMALL if "while True" not in definition else BRIEF
    outcome = strike(f"{IMPORTS}{definition}\ndef attack(): return value", limits=limits).outcome
    assert outcome.status in statuses, outcome


@pytest.mark.parametrize("kind", ["float('nan')", "float('inf')", "-float('inf')", "1e30", "-0.1", "1.1"])
def test_numbers_outside_the_range_end_at_the_border(strike, kind):
    """NaN, infinities and other values arrive; no grader sees them as an image, ranking or answer."""
    source = f"""{IMPORTS}
def attack(): return [torch.full((3, 8, 8), {kind}), [("daisy", {kind})], {{"resembles": {kind}}}]
"""
    image, ranking, answers = strike(source).gains
    with pytest.raises(SubmissionError):
        BORDER["image"](image, "`attack`")
    if "(" in kind:
        with pytest.raises(SubmissionError, match="no finite number"):
            BORDER["ranking"](ranking, "`attack`")
        with pytest.raises(SubmissionError):
            answers_from(answers)


@pytest.mark.parametrize(
    "shape", ["(0,)", "(3, 0, 8)", "(1, 3, 8, 8)", "(4, 8, 8)", "(3, 8)", "()", "(3, 1, 5000)", "(8, 8, 3)"]
)
def test_wrong_shapes_end_at_the_border(strike, shape):
    """Empty, flat, batched, with alpha, too long: refused in words that name the shape."""
    value = strike(f"{IMPORTS}def attack(): return np.zeros({shape}, np.float32)").gains
    with pytest.raises(SubmissionError, match="returned"):
        BORDER["image"](value, "`attack`")
