"""The forms of rows: each is read as what it is, or left out with its place and its reason; nothing is guessed or lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grokputer.adapters.data.examples import Example
from grokputer.adapters.data.imports.public_set import PublicSet, read_public
from grokputer.domain.errors import InvalidExamples

GOOD = {"instruction": "One?", "output": "1"}
USER, ANSWER = {"role": "user", "content": "Two?"}, {"role": "assistant", "content": "2"}
HUMAN, GPT = {"from": "human", "value": "Two?"}, {"from": "gpt", "value": "2"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "weather"}}]}
SYSTEM = {"role": "system", "content": "Be brief."}


def read(folder: Path, *rows: Any) -> PublicSet:
    """The set of these rows and a good one after them."""
    file = folder / "set.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, GOOD]))
    return read_public(str(file), "action")


def texts_of(example: Example) -> list[str]:
    """Who says what, the answer last."""
    turns = [f"{turn['role'][0]}: {turn['content']}" for turn in example.messages]
    return [
        *turns,
        f"{example.label}: {example.completion}",
        *([f"not: {example.rejected}"] if example.rejected else []),
    ]


READ: list[tuple[str, Any, str, list[list[str]]]] = [
    ("alpaca", {**GOOD, "output": "uno", "input": "in Spanish"}, "alpaca", [["u: One?\n\nin Spanish", "target: uno"]]),
    ("system and history before the question",
     {"instruction": "Twice?", "output": "8", "system": "Count.", "history": [["2+2?", "4"]]}, "alpaca",
     [["s: Count.", "u: 2+2?", "a: 4", "u: Twice?", "target: 8"]]),
    ("no history", {"instruction": "Two?", "output": "2", "history": [], "system": ""}, "alpaca", [["u: Two?", "target: 2"]]),
    ("dolly", {"instruction": "Who?", "context": "Ada wrote it.", "response": "Ada"}, "dolly",
     [["u: Who?\n\nAda wrote it.", "target: Ada"]]),
    ("keys in capitals", {"Instruction": "Two?", " OUTPUT ": "2"}, "alpaca", [["u: Two?", "target: 2"]]),
    ("a whole number", {"instruction": "Two?", "output": 2}, "alpaca", [["u: Two?", "target: 2"]]),
    ("NaN is absent", {"instruction": "Two?", "input": float("nan"), "output": "2"}, "alpaca", [["u: Two?", "target: 2"]]),
    ("null beside another form", {"messages": None, "instruction": "Two?", "output": "2"}, "alpaca", [["u: Two?",
     "target: 2"]]),
    ("sharegpt", {"conversations": [{"from": "system", "value": "Be brief."}, HUMAN, GPT]}, "sharegpt",
     [["s: Be brief.", "u: Two?", "target: 2"]]),
    ("sharegpt with a system of its own", {"system": "Be brief.", "conversations": [HUMAN, GPT]}, "sharegpt",
     [["s: Be brief.", "u: Two?", "target: 2"]]),
    ("a greeting before the question", {"conversations": [{"from": "gpt", "value": "Hi"}, HUMAN, GPT]}, "sharegpt",
     [["a: Hi", "u: Two?", "target: 2"]]),
    ("from and value in messages", {"messages": [HUMAN, GPT]}, "messages", [["u: Two?", "target: 2"]]),
    ("a list a line", [USER, ANSWER], "messages", [["u: Two?", "target: 2"]]),
    ("every answer is learnt", {"messages": [USER, ANSWER, {"role": "user", "content": "And?"}, {**ANSWER, "content": "3"}]},
     "messages", [["u: Two?", "target: 2"], ["u: Two?", "a: 2", "u: And?", "target: 3"]]),
    ("but not one of weight 0",
     {"messages": [USER, {**ANSWER, "weight": 0}, {"role": "user", "content": "And?"}, {**ANSWER, "weight": 1}]},
     "messages", [["u: Two?", "a: 2", "u: And?", "target: 2"]]),
    ("developer", {"messages": [{"role": "developer", "content": "Be brief."}, USER, ANSWER]}, "messages",
     [["s: Be brief.", "u: Two?", "target: 2"]]),
    ("roles in capitals", {"messages": [{**USER, "role": "User"}, {**ANSWER, "role": "Assistant"}]}, "messages",
     [["u: Two?", "target: 2"]]),
    ("parts of text",
     {"messages": [{"role": "user", "content": [{"type": "text", "text": "Two"}, {"type": "text", "text": "?"}]},
                   {"role": "assistant", "content": [{"type": "text", "text": "2"}]}]}, "messages", [["u: Two?", "target: 2"]]),
    ("no tools", {"messages": [USER, {**ANSWER, "tool_calls": []}], "tools": []}, "messages", [["u: Two?", "target: 2"]]),
    ("two users' turns", {"messages": [USER, USER, ANSWER]}, "messages", [["u: Two?", "u: Two?", "target: 2"]]),
    ("prompt and completion", {"prompt": "Two?", "completion": "2"}, "prompt-completion", [["u: Two?", "target: 2"]]),
    ("prompt and completion as turns", {"prompt": [SYSTEM, USER], "completion": [ANSWER]}, "prompt-completion",
     [["s: Be brief.", "u: Two?", "target: 2"]]),
    ("a preference", {"prompt": "Two?", "chosen": "2", "rejected": "3"}, "preference", [["u: Two?", "target: 2", "not: 3"]]),
    ("a preference of turns", {"prompt": [USER], "chosen": [ANSWER], "rejected": [{**ANSWER, "content": "3"}]}, "preference",
     [["u: Two?", "target: 2", "not: 3"]]),
    ("a preference with an implicit prompt", {"chosen": [USER, ANSWER], "rejected": [USER, {**ANSWER, "content": "3"}]},
     "preference", [["u: Two?", "target: 2", "not: 3"]]),
    ("a preference whose prompt and messages repeat it",
     {"prompt": "Two?", "chosen": [USER, ANSWER], "rejected": [USER, {**ANSWER, "content": "3"}], "messages": [USER, ANSWER]},
     "preference", [["u: Two?", "target: 2", "not: 3"]]),
    ("messages that begin with their prompt", {"prompt": "Two?", "messages": [USER, ANSWER]}, "messages",
     [["u: Two?", "target: 2"]]),
    ("messages with a rejected response", {"messages": [USER, ANSWER], "rejected_response": "22"}, "messages",
     [["u: Two?", "target: 2", "not: 22"]]),
    ("a bad answer", {"prompt": "Two?", "completion": "Go away.", "label": False}, "kto", [["u: Two?", "bad: Go away."]]),
    ("a good answer", {"prompt": [USER], "completion": [ANSWER], "label": True}, "kto", [["u: Two?", "good: 2"]]),
    ("a bad answer in messages", {"messages": [USER, ANSWER, USER, {**ANSWER, "content": "Go away."}], "label": False},
     "messages", [["u: Two?", "a: 2", "u: Two?", "bad: Go away."]]),
    ("ours with nulls", {"messages": [USER], "completion": "2", "rejected": None, "label": None, "source": None}, "examples",
     [["u: Two?", "target: 2"]]),
    ("ours judged", {"messages": [USER], "completion": "2", "label": "bad"}, "examples", [["u: Two?", "bad: 2"]]),
    ("text as it stands", {"instruction": "2 &lt; 3 <eos>\u0000 👩‍👧 \u202eabc",
     "output": "<think>so</think> Yes &amp; no"}, "alpaca",
     [["u: 2 &lt; 3 <eos>\u0000 👩‍👧 \u202eabc", "target: <think>so</think> Yes &amp; no"]]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "row", "form", "wanted"), READ, ids=[case[0] for case in READ])
def test_a_row_of_each_form_is_read_as_what_it_is(
    tmp_path: Path, what: str, row: Any, form: str, wanted: list[list[str]]
) -> None:
    result = read(tmp_path, row)
    *examples, good = result.examples
    assert [texts_of(example) for example in examples] == wanted
    assert texts_of(good) == ["u: One?", "target: 1"]
    assert form in result.form.split(", ")
    assert (result.left_out, result.unread) == (0, {})


LEFT: list[tuple[str, Any, str, str]] = [
    ("two answers", {"instruction": "Two?", "output": "2", "response": "dos"}, "ambiguous", "2 answers: output, response"),
    ("two questions", {"messages": [USER, ANSWER], "instruction": "Two?", "output": "2"}, "ambiguous",
     "2 questions: messages, instr"),
    ("two contexts", {**GOOD, "input": "a", "context": "b"}, "ambiguous", "both 'input' and 'context'"),
    ("one key twice", {"Output": "2", **GOOD}, "ambiguous", "has the key output twice"),
    ("another prompt", {"prompt": "Three?", "messages": [USER, ANSWER]}, "ambiguous", "2 questions"),
    ("no form", {"text": "hello"}, "unknown form", "has text; it needs the keys of one of these forms"),
    ("no answer's key", {"instruction": "Two?", "label": "x"}, "unknown form", "has instruction, label and no answer"),
    ("null", None, "unknown form", "is not an object"),
    ("an empty list", [], "unknown form", "is not an object but a list"),
    ("a list of answers", {**GOOD, "output": ["4", "22"]}, "not text", "'output' is a list"),
    ("an object", {**GOOD, "output": {"answer": "4"}}, "not text", "'output' is an object"),
    ("a fraction", {**GOOD, "output": 0.1}, "not text", "'output' is a fraction"),
    ("true", {**GOOD, "output": True}, "not text", "'output' is true or false"),
    ("a list as instruction", {**GOOD, "instruction": [USER]}, "not text", "'instruction' is a list"),
    ("half a pair", {**GOOD, "output": "hello \ud83d"}, "not Unicode", "a lone surrogate"),
    ("half a pair in a turn", {"messages": [USER, {**ANSWER, "content": "\udc00"}]}, "not Unicode", "messages[1].content"),
    ("NaN as answer", {**GOOD, "output": float("nan")}, "no answer", "its answer is empty"),
    ("blank answer", {**GOOD, "output": " \n"}, "no answer", "its answer is empty"),
    ("blank question", {"instruction": " ", "output": "2"}, "no question", "its question is empty"),
    ("no turns", {"messages": []}, "no question", "no turn of a user has text"),
    ("ends with the user", {"messages": [USER, ANSWER, USER]}, "no answer", "its last turn is of role user"),
    ("an empty answer among others", {"messages": [USER, {**ANSWER, "content": ""}, USER, ANSWER]}, "no answer",
     "turn 2 is an empty"),
    ("messages as a number", {"messages": 5}, "turns", "'messages' is of type int, not a list of turns"),
    ("messages as text", {"messages": json.dumps([USER, ANSWER])}, "turns", "'messages' is text, not a list of turns"),
    ("a turn as text", {"messages": ["Two?", "2"]}, "turns", "messages[0] is text, not a turn"),
    ("an unknown role", {"messages": [USER, {**ANSWER, "role": "narrator"}]}, "turns", "is of role narrator"),
    ("two answers in turn", {"messages": [USER, ANSWER, ANSWER]}, "turns", "turn 3 is a second answer"),
    ("two contents", {"messages": [USER, {**ANSWER, "value": "3"}]}, "ambiguous", "both 'content' and 'value'"),
    ("a history of no pairs", {**GOOD, "history": [["a", "b", "c"]]}, "turns", "history[0] is not a pair"),
    ("two systems", {"system": "Be long.", "messages": [SYSTEM, USER, ANSWER]}, "ambiguous", "has 'system' and another"),
    ("a call", {"messages": [USER, CALL, {"role": "tool", "content": "22 C"}, ANSWER]}, "tools",
     "a message is {'role': 'tool'"),
    ("a tool's turn", {"conversations": [HUMAN, {"from": "observation", "value": "22 C"}, GPT]}, "tools",
     "of role observation"),
    ("a function's call", {"conversations": [HUMAN, {"from": "function_call", "value": "{}"}, GPT]}, "tools",
     "of role function_call"),
    ("tools", {"messages": [USER, ANSWER], "tools": [{"type": "function"}]}, "tools",
     "has tools that are not in OpenAI's form"),
    ("a picture", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, ANSWER]},
     "picture", "names x, which cannot be read: No such file or directory"),
    ("weight 0 alone", {"messages": [USER, {**ANSWER, "weight": 0}]}, "weight 0", "every answer has weight 0"),
    ("half a weight", {"messages": [USER, {**ANSWER, "weight": 0.5}]}, "label", "has weight 0.5; a weight is 0 or 1"),
    ("another label", {**GOOD, "label": "positive"}, "label", "'label' is positive; it is true, false, or one of target, good"),
    ("a label of weight 0", {"messages": [USER, {**ANSWER, "weight": 0}], "label": False}, "weight 0", "has weight 0"),
    ("chosen alone", {"prompt": "Two?", "chosen": "2", "rejected": None}, "no answer", "has 'chosen' without 'rejected'"),
    ("chosen as rejected", {"prompt": "Two?", "chosen": "2", "rejected": " 2"}, "ambiguous", "are the same"),
    ("rejected and a label", {"messages": [USER, ANSWER], "rejected": "3", "label": False}, "ambiguous",
     "rejected answer and a label"),
    ("preferences of two beginnings", {"chosen": [USER, ANSWER], "rejected": [SYSTEM, USER, {**ANSWER, "content": "3"}]},
     "ambiguous", "begin with different turns"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "row", "reason", "detail"), LEFT, ids=[case[0] for case in LEFT])
def test_a_row_that_cannot_be_used_is_left_out_with_its_place_and_its_reason(
    tmp_path: Path, what: str, row: Any, reason: str, detail: str
) -> None:
    result = read(tmp_path, row)
    assert [texts_of(example) for example in result.examples] == [["u: One?", "target: 1"]]
    assert result.reasons == {reason: 1}
    [line] = result.first[reason]
    assert line.startswith("set.jsonl:1: ") and detail in line and "\n" not in line


def test_where_no_row_can_be_used_the_first_one_says_why(tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text('{"messages": 5}\n{"text": "hello"}\n')
    with pytest.raises(
        InvalidExamples, match=r"in 2 rows: set\.jsonl:1: 'messages' is of type int, not a list of turns"
    ):
        read_public(str(file), "action")


def test_keys_that_say_something_and_are_not_read_are_named_with_their_rows(tmp_path: Path) -> None:
    row = {"messages": [USER, {**ANSWER, "reasoning_content": "so"}], "id": "a\x1b[31m", "score": None}
    result = read(
        tmp_path, row, {**GOOD, "output": "uno", "category": "qa"}, {**GOOD, "output": "eins", "Category": "qa"}
    )
    assert result.unread == {"id": 1, "messages.reasoning_content": 1, "category": 1, "Category": 1}


def test_repeated_rows_are_counted_and_another_answer_is_no_repetition(tmp_path: Path) -> None:
    result = read(tmp_path, GOOD, {**GOOD, "output": "uno"}, {**GOOD, "output": " 1 "})
    assert [example.completion for example in result.examples] == ["1", "uno"]
    assert (result.reasons, result.left_out) == ({"repeated": 2}, 2)


def test_of_many_rows_left_out_for_one_reason_the_first_are_named_and_all_are_counted(tmp_path: Path) -> None:
    result = read(tmp_path, *({"text": str(number)} for number in range(9)))
    assert result.reasons == {"unknown form": 9}
    assert [line.split(": ")[0] for line in result.first["unknown form"]] == [
        "set.jsonl:1",
        "set.jsonl:2",
        "set.jsonl:3",
    ]


def test_a_limit_holds_within_a_conversation_too(tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    turns = [turn for number in range(5) for turn in (USER, {**ANSWER, "content": str(number)})]
    file.write_text(json.dumps({"messages": turns}))
    assert [example.completion for example in read_public(str(file), "action", 2).examples] == ["0", "1"]
