"""What cells print: bounded, cheap, and as a terminal leaves what carriage returns overwrite."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from netlens_core.grading.sandbox.inside import printed
from netlens_core.grading.sandbox.inside.printed import MAX_OUTPUTS, MAX_TEXT, Shown, Stream, Text, Unseen


def shown_by(work: Callable[[], None]) -> list[tuple[str, str]]:
    shown = Shown()
    with (
        contextlib.redirect_stdout(Stream(shown, "stdout")),
        contextlib.redirect_stderr(Stream(shown, "stderr")),
    ):
        work()
    return [(entry["kind"], entry["text"]) for entry in shown.plain()]


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (["a\n", "b"], "a\nb"),
        (["\r 1%", "\r 2%", "\r 3%", "\nend"], " 3%\nend"),
        (["1%\r", "2%\r", "3%\r"], "3%"),
        (["1%", "\r", "\n", "2%"], "1%\n2%"),
        (["one\rtwo\rthree\r\nfour\r", "", "five"], "three\nfive"),
        (["kept\n1\r2", "3\r\r", "4"], "kept\n4"),
        (["a\r\nb\r\n"], "a\nb\n"),
        (["\r\r"], ""),
    ],
)
def test_what_is_overwritten_goes_however_it_is_cut_into_pieces(written, left):
    for pieces in (written, ["".join(written)], list("".join(written))):
        text = Text()
        grown = sum(text.add(piece) for piece in pieces)
        assert str(text) == left and grown == len(left), pieces


def test_a_progress_bar_of_18_megabytes_leaves_room_for_what_follows():
    def work() -> None:
        for number in range(30_000):
            print("\r step", number, "of 30000 " + "#" * 600, end="")
        print("\nthe result")

    [(kind, text)] = shown_by(work)
    assert kind == "stdout" and text == " step 29999 of 30000 " + "#" * 600 + "\nthe result\n"


def test_more_than_is_kept_is_told_and_costs_no_calls_of_ours(monkeypatch):
    looks = []
    real = Shown.printed
    monkeypatch.setattr(Shown, "printed", lambda *given: looks.append(1) or real(*given))

    def work() -> None:
        for number in range(100_000):
            print("line", number)

    [(_, text)] = shown_by(work)
    assert text.startswith("line 0\nline 1\n") and text.endswith("\n… (more was printed than is kept)\n")
    assert MAX_TEXT < len(text) < MAX_TEXT + 50
    assert len(looks) <= MAX_TEXT // printed._AT_ONCE + 4


def test_streams_and_displays_keep_their_order_and_each_its_bound():
    def work() -> None:
        import sys

        print("one")
        print("two", file=sys.stderr)
        print("three")
        sys.stderr.write("x" * 2 * MAX_TEXT)
        print("four")

    found = shown_by(work)
    assert [kind for kind, _ in found] == ["stdout", "stderr", "stdout", "stderr", "stdout"]
    assert found[-1] == ("stdout", "four\n") and "more was printed" in found[-2][1]


def test_cleared_output_makes_room_again():
    shown = Shown()
    stream = Stream(shown, "stdout")
    stream.write("x" * 2 * MAX_TEXT)
    for number in range(2 * MAX_OUTPUTS):
        shown.clear(wait=True)
        shown.displayed("display", {"text/plain": f"picture {number}"})
    assert [entry["text"] for entry in shown.plain()] == [f"picture {2 * MAX_OUTPUTS - 1}"]
    shown.clear(wait=True)
    assert len(shown.plain()) == 1  # nothing came in its place
    shown.clear(wait=False)
    stream.write("again")
    assert [entry["text"] for entry in shown.plain()] == ["again"]


def test_what_called_functions_print_is_kept_nowhere():
    unseen = Unseen()
    with contextlib.redirect_stdout(unseen):
        print("nobody", "reads this")
    assert unseen.write("four") == 4 and not vars(unseen)
