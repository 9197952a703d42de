"""What-if without another setting: the history itself, but for what people decided."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from command_line import document, output
from hypothesis import HealthCheck, Phase, given, settings
from stores import server
from world import HAPPENINGS, MANNERS, world_after

from grokputer.domain.events import RatingThresholdBreached
from grokputer.projections.explain.what_if import Moment, WhatIf
from grokputer.runners.store.log import Log

RULES = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)


def imagine(log: Log) -> list[Moment]:
    breaches = {it.event.caused_by: it.position for it in log.read(1, None, (RatingThresholdBreached.TOPIC,))}
    imagination = WhatIf({}, breaches)
    return [moment for it in log.read() for moment in imagination.imagine(it.position, it.event)] + list(
        imagination.rest()
    )


def is_by_the_rule(moment: Moment) -> bool:
    """A recorded decision that a rule alone took: no person, no approval, and not because another adapter fell."""
    is_other = re.search("^decided by |^approval is needed|was held against", moment.message)
    return moment.is_recorded and is_other is None


@RULES
@given(HAPPENINGS, MANNERS)
def test_without_another_setting_what_if_repeats_each_decision_by_a_rule(
    happenings: list[tuple[str, object, object]], manner: dict[str, str]
) -> None:
    with world_after(happenings, manner) as ledger:
        check(imagine(ledger), manner)


@pytest.mark.slow
@settings(RULES, max_examples=3)
@given(HAPPENINGS, MANNERS)
def test_in_a_database_what_if_repeats_each_decision_by_a_rule_too(
    happenings: list[tuple[str, object, object]], manner: dict[str, str]
) -> None:
    with world_after(happenings, manner, server().place()) as ledger:
        check(imagine(ledger), manner)


def check(moments: list[Moment], manner: dict[str, str]) -> None:
    """The rules decide as they did. A rollout that waits for a person's approval goes on in the imagination, either way."""
    recorded = Counter((it.position, it.role, it.adapter, it.kind) for it in moments if is_by_the_rule(it))
    imagined = Counter((it.position, it.role, it.adapter, it.kind) for it in moments if not it.is_recorded)
    assert not recorded - imagined
    left = {kind for (_, _, _, kind), _ in (imagined - recorded).items()}
    assert left <= {"undecided"} | ({"promote", "roll back"} if manner["canary.approval"] != "none" else set())


def test_the_table_shows_what_agrees_in_one_row_and_says_so() -> None:
    with world_after([("traffic", "neither", 12), ("traffic", "neither", 12)]) as ledger:
        shown = output("what-if", db=ledger.path)
        breaches = [line.split()[5:7] for line in shown.splitlines() if " breach " in line]
        assert breaches and all(it == ["breach", "breach"] for it in breaches)
        assert shown.splitlines()[-1].startswith(("all as it was recorded", "1 of "))


def test_the_decision_of_a_person_is_named_with_the_person() -> None:
    with world_after([("traffic", "neither", 3), ("decide", "promote", False)]) as ledger:
        moments = document("what-if", db=ledger.path)["moments"]
        [promoted] = [it for it in moments if it["kind"] == "promote" and it["is_recorded"]]
        assert promoted["message"] == "decided by ada: tried"
        assert "people's decisions follow no rule" in output("what-if", db=ledger.path)
