"""What a grade is: checks, measurements and figures as plain data that can be stored, compared and shown."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["graded", "refused", "timed_out", "crashed", "out_of_memory"]
CheckStatus = Literal["passed", "partial", "failed", "skipped", "needs_manual_grade"]


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True)


class Measurement(_Plain):
    """A named number (or word) with what was required of it.

    One of `at_least`, `at_most` and `equal_to` is set, or none where a number is told for information only. `credit`
    in [0, 1] is what the number earned: 1 where the requirement holds, linear between `partial_from` and the
    requirement, else 0. `calibrated` names the threshold of the exercise that the requirement was taken from.
    """

    name: str
    value: float | str
    at_least: float | None = None
    at_most: float | None = None
    equal_to: float | str | None = None
    partial_from: float | None = None
    passed: bool
    credit: float
    calibrated: str = ""

    @property
    def required(self) -> bool:
        """Whether anything was required of the number."""
        return not (self.at_least is None and self.at_most is None and self.equal_to is None)


class Sight(_Plain):
    """What one network says of a picture: its likeliest categories with probabilities, likeliest first."""

    network: str
    categories: list[tuple[str, float]]


class FigureNote(_Plain):
    """The words that belong to a figure."""

    caption: str
    seen_by: list[Sight] = Field(default_factory=list)


class PersonsMark(_Plain):
    """That a person gave a check its points, with what they said; `outdated` where the answer changed since.

    `scored` is false where they only said something and the points are the check's own; `extra_credit` is among the
    check's points, which may then be more than its most.
    """

    comment: str = ""
    outdated: bool = False
    scored: bool = True
    extra_credit: float = 0.0


class Check(_Plain):
    """One graded property of a submission. `message` tells in words what was wrong, empty where nothing was.

    `fault` holds what the course staff must know where the grader itself failed; students do not see it.
    `answer` is the written answer that a person marks, `mark` is theirs where they did; grades in the store have none.
    """

    name: str
    description: str
    points: float
    max_points: float
    status: CheckStatus
    message: str = ""
    fault: str = ""
    answer: str = ""
    mark: PersonsMark | None = None
    measurements: list[Measurement] = Field(default_factory=list)
    figures: list[str] = Field(default_factory=list)


class CellNote(_Plain):
    """What running one notebook cell gave, for the report: its number from 1 and how it ended."""

    number: int
    error: str


class Grade(_Plain):
    """Every check of one submission. Equal inputs give equal grades, bit for bit; timings live beside it.

    `figures` in a check are names of PNG files; `figure_notes` has their captions; `pictures` their bytes.
    `status` tells how the submission as a whole went: "refused" files never ran; the last three are told
    where the notebook itself, not just one call, ended that way. `notes` tells what was repaired in the file.
    """

    exercise: str
    title: str
    points: float
    max_points: float
    status: Status
    message: str = ""
    checks: list[Check]
    notes: list[str] = Field(default_factory=list)
    cell_errors: list[CellNote] = Field(default_factory=list)
    figure_notes: dict[str, FigureNote] = Field(default_factory=dict)
    submission_sha256: str
    exercise_sha256: str
    networks: dict[str, str]
    netlens_version: str
    sandbox: str
    seed: int

    pictures: dict[str, bytes] = Field(default_factory=dict, exclude=True, repr=False)
    notebook: bytes = Field(default=b"", exclude=True, repr=False)
    returned: bytes = Field(default=b"", exclude=True, repr=False)  # a record of what the submission's calls returned
    judged_only: bool = Field(default=False, exclude=True)  # from such a record: the submission did not run again
    seconds: float = Field(default=0.0, exclude=True)
    own_seconds: float = Field(default=0.0, exclude=True)  # of these, the submission's cells and calls
    counted_seconds: float = Field(default=0.0, exclude=True)  # what of them counts towards its limits
    slowdown: float = Field(default=1.0, exclude=True)  # by how much limits were longer on this machine
    judging_seconds: float = Field(default=0.0, exclude=True)  # of these, the grader's own work
    began: float = Field(default=0.0, exclude=True)  # on the machine's monotonic clock
    worker: int = Field(default=0, exclude=True)  # the process that graded it; 0 where none did
    # What of this try the machine may have caused; and of a grade that was tried twice, how both tries ended.
    doubts: tuple[str, ...] = Field(default=(), exclude=True)
    tries: tuple[str, ...] = Field(default=(), exclude=True)
    ended: tuple[str, ...] = Field(default=(), exclude=True)  # of calls that came to no end: "timed_out", "crashed", …

    @property
    def times(self) -> dict[str, float]:
        """How long grading took, in seconds: in all, for the submission's own cells and calls, for judging.

        `counted_seconds` are those that count towards the limits, at the reference speed; `slowdown` is how many times
        as long as there the limits were on the machine that graded it.
        """
        return {
            "seconds": self.seconds,
            "own_seconds": self.own_seconds,
            "judging_seconds": self.judging_seconds,
            "counted_seconds": self.counted_seconds,
            "slowdown": self.slowdown,
        }

    @property
    def needs_manual_grade(self) -> bool:
        """Whether a person still has to look at a check."""
        return any(check.status == "needs_manual_grade" for check in self.checks)

    @property
    def marked_before_it_changed(self) -> bool:
        """Whether a person marked an answer that was another one then."""
        return any(check.mark is not None and check.mark.outdated for check in self.checks)
