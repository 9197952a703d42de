"""Usage: answers, tokens, money and times, by what gave the answer."""

from __future__ import annotations

from played import Played

from given import SOMEONE
from grokputer.domain.settings.settings import Policy
from grokputer.projections.state.state import State
from grokputer.projections.state.usage import MODEL_MS, RUN_MS, TOKENS, Histogram, VersionUsage


def usage(played: Played) -> dict[tuple[str, str], VersionUsage]:
    return {(role, adapter): counts for role, adapter, counts in played.state.usage.rows()}


def test_each_role_has_its_own_answers_and_uses_the_adapter_of_the_run_if_it_has_none() -> None:
    played = Played()
    played.play("action", "action!", "recovery", adapter="lora-v2")
    known = usage(played)
    assert {name: (each.answers, each.failed) for name, each in known.items()} == {
        ("action", "lora-v2"): (2, 1),
        ("recovery", "lora-v2"): (1, 0),
    }
    assert known["action", "lora-v2"].prompt.sum == 2 * 90
    assert known["action", "lora-v2"].runs_ms.up_to(RUN_MS)[3:5] == [1, 1], "900 ms is above half a second"


def test_tokens_and_times_that_are_not_known_are_not_counted_as_none() -> None:
    played = Played()
    run = played.begin(adapter=None)
    played.step(run, prompt_tokens=None, completion_tokens=None, model_ms=None)
    run.succeed(None, 1.0, Policy(), SOMEONE)
    played.take(run)
    [counts] = usage(played).values()
    assert counts.answers == 1
    assert (counts.prompt, counts.answer, counts.model_ms, counts.runs_ms) == (Histogram(),) * 4


def test_money_is_counted_at_the_prices_in_force_at_each_step_and_by_currency() -> None:
    played = Played()
    played.play("action")
    played.set("cost.prompt_price", 3.0)
    played.set("cost.answer_price", 0.15)
    played.play("action")
    played.set("cost.currency", "USD")
    played.play("action")
    [(_, _, counts)] = played.state.usage.rows()
    paid = (90 * 3_000_000) + (8 * 150_000)  # in millionths of a millionth
    assert counts.money == {"EUR": paid, "USD": paid}


def test_a_number_on_a_bound_is_in_the_bucket_below_it() -> None:
    counts = Histogram()
    for value in (0, 1, 4, 5, 10**9):
        counts.add(value, TOKENS)
    assert counts.up_to(TOKENS)[:3] == [2, 3, 4]
    assert counts.up_to(TOKENS)[-1] == 5
    assert counts.sum == 10**9 + 10
    assert Histogram().up_to(MODEL_MS) == [0] * (len(MODEL_MS) + 1)


def test_a_state_that_was_saved_goes_on_counting_where_it_stopped() -> None:
    at_once, in_parts = Played(), Played()
    for it in (at_once, in_parts):
        it.play("action")
        it.begin()
        if it is in_parts:
            it.state = State.load(it.state.dump())
        it.play("action", adapter=None)
    assert in_parts.state.dump() == at_once.state.dump()
