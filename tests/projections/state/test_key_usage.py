"""What an access key has used, as the log has it: requests, tokens and money of its last day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from given import NOON, START, STEP
from grokputer.domain.aggregates.access_key import AccessKey, key_id
from grokputer.domain.aggregates.base import Aggregate, Context
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.settings.setting import BadSetting
from grokputer.projections.state.open_runs import ACCESS_KEY
from grokputer.projections.state.state import State

TODAY, TOMORROW = "2026-01-01", "2026-01-02"
ADA = Context(NOON, "sha256:" + "a" * 64)
NEXT_DAY = replace(ADA, time=NOON + timedelta(days=1))


class Folded:
    """A state, and a key of it."""

    def __init__(self) -> None:
        self.state, self.settings = State(), Settings(SETTINGS_ID)
        key = AccessKey(key_id("bb"))
        key.issue("sha256:aa", "bb", ["infer"], {}, ADA)
        self.take(key)
        self.key = key.id.hex

    def take(self, aggregate: Aggregate) -> None:
        for event in aggregate.collect_events():
            self.state.apply(self.state.position + 1, event)

    def set(self, key: str, value: Any) -> None:
        self.settings.change(key, value, "", ADA)
        self.take(self.settings)

    def begin(self, key: str = "") -> TaskRun:
        run = TaskRun(uuid4())
        run.start(ADA, **{**START, "policy": {ACCESS_KEY: key or self.key}})
        self.take(run)
        return run

    def step(self, run: TaskRun, context: Context = ADA, **fields: Any) -> None:
        run.take_step(context, **{**STEP, **fields})
        self.take(run)

    def used(self, day: str = TODAY) -> tuple[float, ...]:
        return tuple(self.state.access.all[self.key].used(day).values())


def test_a_keys_requests_tokens_and_money_are_those_of_its_runs_of_the_day() -> None:
    folded = Folded()
    folded.set("cost.prompt_price", 2.0)
    folded.set("cost.answer_price", 10.0)
    run = folded.begin()
    folded.step(run, prompt_tokens=90, completion_tokens=8)
    folded.begin("another")
    assert folded.used() == (1, 98, 260e-6)
    assert folded.used(TOMORROW) == ()
    folded.step(run, NEXT_DAY, prompt_tokens=1, completion_tokens=None)
    assert folded.used() == () and folded.used(TOMORROW) == (0, 1, 2e-6)


def test_a_key_and_its_adapter_pay_the_same_for_the_same_step() -> None:
    folded = Folded()
    folded.set("cost.prompt_price", 0.333)
    folded.set("cost.answer_price", 7.77)
    run = folded.begin()
    for tokens in range(1, 40):
        folded.step(run, prompt_tokens=tokens, completion_tokens=None if tokens % 7 == 0 else 3 * tokens)
    [(_, _, counts)] = folded.state.usage.rows()
    assert folded.state.access.all[folded.key].money == counts.money["EUR"] > 0


def test_each_model_has_the_prices_of_the_table() -> None:
    folded = Folded()
    folded.set("model.base", "grok-4")
    folded.set("cost.prompt_price", 1.0)
    folded.set("cost.model_prices", "grok-4=3:15, lora-v2 = 0.5 : 1")
    folded.step(folded.begin(), prompt_tokens=1_000_000, completion_tokens=1_000_000)  # of lora-v2
    assert folded.used()[2] == 1.5
    metered = {adapter: counts.money for _, adapter, counts in folded.state.usage.rows()}
    assert metered == {"lora-v2": {"EUR": 1_500_000_000_000}}
    cost = folded.state.policy.cost
    prices = [
        (it.prompt_price, it.answer_price) for it in (cost.of_model(None, "grok-4"), cost.of_model("lora-v9", "grok-4"))
    ]
    assert prices == [(3, 15), (3, 15)]
    assert cost.of_model(None, "tiny") == cost and cost.prompt_price == 1


@pytest.mark.parametrize("value", ["grok-4", "grok-4=3", "grok-4=3:-1", "grok-4=3:15,", "a b=1:2", "=1:2", "x=1e9:2"])
def test_a_price_table_in_the_wrong_form_is_refused_with_the_form(value: str) -> None:
    with pytest.raises(BadSetting, match=r"cost.model_prices must be for each model its name"):
        Settings(SETTINGS_ID).change("cost.model_prices", value, "", ADA)


def test_a_saved_state_goes_on_counting_open_runs() -> None:
    folded = Folded()
    run = folded.begin()
    folded.state = State.load(folded.state.dump())
    folded.step(run, prompt_tokens=90, completion_tokens=8)
    assert folded.used()[:2] == (1, 98)
    run.answer(1, ADA)
    folded.take(run)
    assert State.load(folded.state.dump()).access.dump() == folded.state.access.dump()
    assert folded.state.open_runs.dump() == {"open": b"{}"}, "a run that has ended is kept in no fold"
    assert UUID(folded.key)
