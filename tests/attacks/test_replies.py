"""Attacks on the protocol: forged, early, late, duplicated, oversized and malformed replies."""

from __future__ import annotations

import time

import numpy as np
import pytest

from netlens_core.grading.sandbox.limits import Limits

FORGE = """
import json
def frame(head, body=b"", magic=b"NLF1"):
    head = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack(">4sII", magic, len(head), len(body)) + head + body
def reply(value, number=1): return {"id": number, "ok": True, "value": value}
def say(data):
    while data: data = data[os.write(3, data):]
"""
ARRAY = '{"$array": [%s, %s]}'


def test_a_forged_reply_is_a_claim_like_any_other(strike):
    """It passes as the value, which the grader measures; the verdicts stay with the warm process."""
    aftermath = strike(FORGE + "def attack():\n    say(frame(reply('ALL TESTS PASSED, 100 points')))\n    os._exit(0)")
    assert aftermath.outcome.value == "ALL TESTS PASSED, 100 points"


@pytest.mark.parametrize(
    "sent",
    [
        "os.urandom(4096)",
        "b'NLF1' + b'\\xff' * 8",
        "struct.pack('>4sII', b'NLF1', 4294967295, 4294967295)",
        "struct.pack('>4sII', b'NLF1', 10, 4294967295)",
        "frame(reply(1), magic=b'PK\\x03\\x04')",
        "frame(b'[' * 300_000 + b']' * 300_000)",
        "frame(b'9' * 900_000)",
        "frame(b'')",
        "frame(b'{')",
        "frame(b'\\xff\\xfe{}')",
        "frame([])",
        "frame({})",
        "frame({'id': 1})",
        "frame({'id': 1, 'ok': 'yes', 'value': 1})",
        "frame(reply(1, number=2))",
        "frame(reply(1), b'left over')",
        "frame(reply({'$array': ['<f4', [2_000_000_000, 2_000_000_000]]}), b'1234')",
        "frame(reply({'$array': ['<f4', [-1, -1]]}), b'1234')",
        "frame(reply({'$array': ['<f4', [2_000_000_000, 0, 2_000_000_000]]}))",
        "frame(reply({'$array': ['|O', [1]]}), b'12345678')",
        "frame(reply({'$array': ['<c8', [1]]}), b'12345678')",
        "frame(reply({'$array': [[], [1]]}), b'1234')",
        "frame(reply({'$array': ['<f4', '99999999']}), b'1234')",
        "frame(reply({'$array': ['<f4', [1.5]]}), b'1234')",
        "frame(reply({'$array': ['<f4', [True]]}), b'1234')",
        "frame(reply({'$array': ['<f4', {'a': 1}]}), b'1234')",
        "frame(reply({'$array': 'x'}), b'1234')",
        "frame(reply({'$array': None}), b'1234')",
        "frame(reply({'$array': ['<f4', [1] * 9]}), b'1234')",
        "frame(reply({'$bytes': -1}), b'1234')",
        "frame(reply({'$bytes': 1e400}), b'1234')",
        "frame({'$array': ['<f4', [1]]}, b'1234')",
        "frame({'id': 1, 'ok': False, 'problem': {'$bytes': 9}}, b'1234')",
        "__import__('pickle').dumps(print)",
    ],
)
def test_malformed_replies_are_refused(strike, sent):
    """Whatever arrives that is no reply is told as just that, and the process is ended."""
    outcome = strike(f"{FORGE}\ndef attack():\n    say({sent})\n    time.sleep(9)").outcome
    assert outcome.status == "bad_reply", outcome
    assert len(outcome.message) < 300


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("say(frame(reply(1))[:7]); os._exit(0)", "crashed"),
        ("say(frame(reply(1))[:-1]); time.sleep(9)", "timed_out"),
        ("say(struct.pack('>4sII', b'NLF1', 100, 0))\n    while True: say(b' '); time.sleep(.3)", "timed_out"),
        ("os.close(3); time.sleep(9)", "timed_out"),
        ("os.close(3)", "crashed"),
        ("os.closerange(0, 1000)", "crashed"),
        ("os.dup2(1, 3)", "timed_out"),
        ("say(struct.pack('>4sII', b'NLF1', 10, 60 << 20))\n    while True: say(bytes(1 << 20))", "bad_reply"),
    ],
)
def test_replies_that_never_come_are_told(strike, body, status):
    """Half a reply, a drip of bytes, a closed pipe, a flood after a true announcement."""
    assert strike(f"{FORGE}\ndef attack():\n    {body}").outcome.status == status


@pytest.mark.parametrize(
    "value",
    [
        "[{'$array': ['|u1', [0]]}] * 20_000",
        "[[[[[[]]]]]] * 20_000",
        "float('nan')",
        "chr(0xD800) + chr(27) + '[2J' + chr(0x202E)",
    ],
)
def test_odd_but_wellformed_replies_are_values(strike, value):
    """Many arrays, deep lists, NaN, lone surrogates: they arrive, cost little, and are the grader's to judge."""
    assert strike(f"{FORGE}\ndef attack(): say(frame(reply({value}))); time.sleep(.2)").outcome.status == "ok"


def reply_then(box, later: str):
    """A first call that says more than it was asked; then a second one."""
    prelude = "import os, sys, time, struct\n" + FORGE
    source = f"{prelude}\ndef attack():\n    {later}\n    return 1\ndef f(): return 'true'"
    with box.session(cells=[source], files={}) as session:
        first = session.call("attack", [])
        time.sleep(0.1)
        return first, session.call("f", []), session.call("f", [])


def test_a_reply_before_the_question_is_refused(box, honest):
    """A submission that answers the next call in advance, with the right number, gains nothing but its end."""
    first, second, third = reply_then(box, "say(frame(reply(1)) + frame(reply('forged', 2)))")
    assert first.value == 1
    assert second.status == "bad_reply" and "before it was asked" in second.message
    assert third.value == "true"  # a new process has run the notebook again
    honest()


def test_a_timer_that_speaks_after_the_return_is_refused(box, honest):
    """Threads live on between calls, but what they say then is not heard as a reply."""
    talk = "__import__('threading').Thread(target=lambda: (time.sleep(.02), say(b'junk'))).start()"
    first, second, third = reply_then(box, talk)
    assert first.value == 1
    assert second.status == "bad_reply"
    assert third.value == "true"
    honest()


@pytest.mark.parametrize(
    "source",
    [
        "say(frame({'ran': True}))",
        "say(frame({'cell': 1, 'outputs': 7, 'error': [], 'trace': {}}) * 50)",
        "say(b'junk')",
        "say(frame({'cell': 1, 'outputs': [], 'error': None}) * 3 + frame({'ran': True}))",
    ],
)
def test_a_notebook_cannot_lie_about_having_run(box, honest, source):
    """Frames for cells that do not exist, or an early end: the notebook has broken itself, and the grader is fine."""
    prelude = "import os, struct\n" + FORGE
    with box.session(cells=[prelude, source, "def f(): return 1"], files={}) as session:
        outcome = session.call("f", [])
        assert session.status in ("ok", "crashed")
        assert session.status == "crashed" or outcome.status == "bad_reply"
    honest()


@pytest.mark.parametrize("attribute", ["detach", "numpy", "__class__", "shape"])
def test_objects_that_pose_as_tensors_are_refused(strike, attribute):
    """Conversion happens inside; an object that misbehaves there hurts only itself."""
    source = f"""
class Evil:
    @property
    def {attribute}(self): raise SystemExit("no")
def attack(): return Evil()
"""
    assert strike(source).outcome.status in ("bad_reply", "error")


def test_values_are_read_only_copies(strike):
    """What arrives cannot be changed behind the grader's back: it is the grader's own copy."""
    value = strike("import numpy as np\nx = np.zeros(4, np.float32)\ndef attack(): return x").gains
    assert isinstance(value, np.ndarray) and not value.flags.writeable


def test_a_reply_said_twice_counts_once(box, honest):
    """The second of two equal replies is no answer to the next call."""
    first, second, third = reply_then(box, "say(frame(reply(1)) * 2); time.sleep(.3); os._exit(0)")
    assert first.value == 1
    assert second.status == "bad_reply" and "before it was asked" in second.message
    assert third.value == "true"
    honest()


def test_a_reply_after_the_limit_comes_too_late(box, honest):
    """What was to be said after the deadline dies with its process; the next call meets a new one."""
    later = 1.5 * box.slowdown  # limits are longer on a slow machine
    source = f"import os, struct, time\n{FORGE}\ndef late(): time.sleep({later}); return 'late'\ndef f(): return 'true'"
    with box.session(cells=[source], files={}, limits=Limits(call_seconds=0.5)) as session:
        assert session.call("late", []).status == "timed_out"
        assert session.call("f", []).value == "true"
        time.sleep(later)
        assert session.call("f", []).value == "true"
    honest()
