"""Instructions in the prompt of a page, and which role's they are."""

from __future__ import annotations

import pytest

from grokputer.domain.errors import NotPossible
from grokputer.domain.events.base import CONTENT
from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import COMMAND_INSTRUCTIONS, INSTRUCTIONS, observe
from grokputer.runners.agent.preface import make_preface

SYSTEM = {"role": "system", "content": "Be careful."}
PAGE = Page("Click Ok.", ("button:Ok[1]",))


def test_a_page_has_one_system_message_with_the_instructions_before_the_programs_own() -> None:
    plain, told = observe(PAGE, []), observe(PAGE, [], [SYSTEM])  # type: ignore[list-item]
    assert plain[0]["content"] == INSTRUCTIONS
    assert told[0] == {"role": "system", "content": f"Be careful.\n\n{INSTRUCTIONS}"}
    assert told[1:] == plain[1:]
    commands = observe(Page("List it.", (), verbs=("RUN", "DONE")), [], [SYSTEM])  # type: ignore[list-item]
    assert commands[0]["content"] == f"Be careful.\n\n{COMMAND_INSTRUCTIONS}"


def test_a_role_without_recorded_instructions_has_those_of_the_run() -> None:
    preface = make_preface(lambda _: None, {"run.instructions": "Be careful."}, ("action", "recovery"))
    assert preface == {"action": [SYSTEM], "recovery": [SYSTEM]}


def test_a_role_with_its_own_adapter_has_its_own_instructions_or_none() -> None:
    settings = {"run.instructions": "Be careful.", "recovery.run.instructions": None}
    assert make_preface(lambda _: None, settings, ("action", "recovery")) == {"action": [SYSTEM]}
    settings["recovery.run.instructions"] = "Start over."
    preface = make_preface(lambda _: None, settings, ("action", "recovery"))
    assert preface["recovery"] == [{"role": "system", "content": "Start over."}]


def test_erased_instructions_are_said_and_not_left_out() -> None:
    with pytest.raises(NotPossible, match=r"run\.instructions was erased"):
        make_preface(lambda _: None, {"run.instructions": CONTENT + "0" * 64}, ("action",))
