"""The agreement of judge models with people, from the log: the runs that both have rated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ...domain.events import Event, TaskGraded, TaskRated
from ...domain.evidence.agreement import Agreement, measure_agreement
from ...domain.vocabulary import RatingSource

TOPICS = (TaskRated.TOPIC, TaskGraded.TOPIC)
"""The events that agreement is measured on."""


@dataclass(frozen=True)
class JudgeAgreement:
    """How far one judge, with one text of criteria, agrees with people."""

    judge: str
    """Its model name and endpoint."""
    criteria: str
    """The hash of the criteria's text."""
    grades: int
    """The number of runs that it has graded."""
    agreement: Agreement

    def to_json(self) -> dict[str, Any]:
        """The fields by name, JSON-plain."""
        return {**asdict(self), "is_too_few": self.agreement.is_too_few}


def collect_agreement(events: Iterable[Event]) -> list[JudgeAgreement]:
    """The agreement of each judge and its criteria, in the order of their first grades.

    A run counts once, with the newest rating by a person; a reviewer's rating is none of a person. Whether the rating came
    before the grade does not matter.
    """
    people: dict[str, int] = {}
    grades: dict[tuple[str, str], dict[str, int]] = {}
    for event in events:
        run = event.originator_id.hex
        if isinstance(event, TaskGraded):
            grades.setdefault((event.judge, event.criteria), {})[run] = event.stars
        elif isinstance(event, TaskRated) and event.source == RatingSource.HUMAN:
            people[run] = event.stars
    return [
        JudgeAgreement(
            judge,
            criteria,
            len(graded),
            measure_agreement([(stars, people[run]) for run, stars in graded.items() if run in people]),
        )
        for (judge, criteria), graded in grades.items()
    ]
