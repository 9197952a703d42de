"""Tools have OpenAI's form, or are refused in one line that says what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from offered import ASKED, CALLING, TALK, WEATHER, called, result

from grokputer.domain.errors import BadText, BadTools, GrokputerError
from grokputer.domain.page.tools import (
    LONGEST,
    check_calls,
    check_messages,
    check_tools,
    name_calls,
    read_calls,
    require_offered,
    show_answer,
    show_call,
)

DEEP_ARGUMENTS = '{"a": ' + "[" * 10_000 + "]" * 10_000 + "}"


def deep_list() -> Any:
    value: Any = []
    for _ in range(10_000):
        value = [value]
    return value


def endless_list() -> Any:
    value: list[Any] = []
    value += [value, value]
    return value


def test_what_has_the_form_is_returned_as_it_is() -> None:
    assert check_messages(TALK) == tuple(TALK)
    assert check_tools([WEATHER]) == (WEATHER,)
    assert check_calls([called()]) == (called(),)


def test_a_key_of_none_counts_as_absent_and_a_missing_text_beside_calls_is_empty() -> None:
    dumped = {**CALLING, "content": None, "refusal": None, "function_call": None}
    assert check_messages([ASKED, dumped]) == (ASKED, CALLING)


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ("call", "tool_calls is 'call'; allowed is a list of calls"),
        ([{"name": "weather"}], "a call is {'name': 'weather'}; allowed is an object with id, type 'function'"),
        ([{**called(), "index": 0}], "a call is"),
        ([{**called(), "type": "custom"}], "a call is"),
        ([called(name="\x1b[31mred")], r"a function's name is '\\x1b[31mred'; allowed is a name of up to 128"),
        ([called(name="<|im_start|>")], "a function's name is '<|im_start|>'"),
        ([called(name="")], "a function's name is ''"),
        ([called(id="")], "an id is ''; allowed is a text of 1 to 256 characters"),
        ([called(id="x" * 300)], "an id is 'xxx"),
        ([called(), called("{}")], "an id is 'call_a1'; allowed is an id of its own for each call"),
        ([called("")], "the arguments of weather are '', which is not JSON"),
        ([called("{'city': 1}")], "which is not JSON"),
        ([called("[1]")], "the arguments of weather is '[1]'; allowed is the JSON text of an object"),
        ([called('{"a": 1, "a": 2}')], "a key stands twice in one object"),
        ([called('{"a": NaN}')], "NaN is no JSON number"),
        ([called('{"a": 1e999}')], "hold inf, which is no JSON number"),
        ([called('{"a": %s}' % ("9" * 5000))], "which is not JSON"),
        ([called(DEEP_ARGUMENTS)], "are nested deeper than 100 levels"),
        ([called('{"a": %s}' % ("[" * 200 + "]" * 200))], "are nested deeper than 100 levels"),
        ([called(json.dumps({"a": "x" * LONGEST}))], f"characters; allowed are {LONGEST}"),
        ([called(str(n), id=str(n)) for n in range(300)], "are 300 calls; allowed are 256"),
        (deep_list(), "a call is a list that is too large to show"),
        ([called({"city": "Rome"})], "the arguments of weather is {'city': 'Rome'}; allowed is a text"),  # type: ignore[arg-type]
    ],
)
def test_a_call_in_another_form_is_refused_in_one_line(calls: object, words: str) -> None:
    with pytest.raises(BadTools) as refused:
        check_calls(calls)
    assert words.replace("\\\\", "\\") in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("arguments", ['{"a": "\\ud800"}', '{"\\udc00": 1}', '{"a": "\ud800"}'])
def test_half_a_character_in_arguments_is_refused(arguments: str) -> None:
    with pytest.raises(BadText, match="is not valid Unicode"):
        check_calls([called(arguments)])


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        (WEATHER, "allowed is a list of definitions of functions"),
        ([{"name": "weather"}], "a definition is {'name': 'weather'}; allowed is an object with type 'function'"),
        ([{**WEATHER, "type": "web_search"}], "a definition is"),
        ([WEATHER, WEATHER], "tools is 'weather'; allowed is each function once"),
        ([{"type": "function", "function": {"name": "a b"}}], "a function's name is 'a b'"),
        ([{"type": "function", "function": {"name": "a", "parameters": []}}], "a definition is"),
        ([{"type": "function", "function": {"name": "a", "parameters": {"x": {1, 2}}}}], "hold a value of type set"),
        (
            [{"type": "function", "function": {"name": "a", "parameters": {1: 2}}}],
            "hold a value of type object, which JSON",
        ),
        ([{"type": "function", "function": {"name": "a", "parameters": {"x": float("nan")}}}], "hold nan"),
        ([{"type": "function", "function": {"name": "a", "parameters": {"x": deep_list()}}}], "nested deeper"),
        ([{"type": "function", "function": {"name": "a", "parameters": {"x": endless_list()}}}], "nested deeper"),
        ([{"type": "function", "function": {"name": "a", "description": "x" * LONGEST}}], "allowed are"),
    ],
)
def test_a_definition_in_another_form_is_refused_in_one_line(tools: object, words: str) -> None:
    with pytest.raises(BadTools) as refused:
        check_tools(tools)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "messages is []; allowed is a list of messages"),
        ([ASKED, result()], "tool_call_id 'call_a1' answers no call of the answer before it, or one twice"),
        ([*TALK, result()], "tool_call_id 'call_a1' answers no call of the answer before it, or one twice"),
        ([ASKED, CALLING, ASKED, result()], "answers no call of the answer before it"),
        ([ASKED, CALLING, result(id="other")], "tool_call_id 'other' answers no call"),
        (
            [ASKED, CALLING, result(name="news")],
            "the result of 'call_a1' has the name news, and the call is of weather",
        ),
        ([ASKED, CALLING, {"role": "tool", "content": "22 C"}], "a message is {'role': 'tool'"),
        ([{**ASKED, "tool_calls": [called()]}], "a message is"),
        ([ASKED, {**CALLING, "tool_calls": []}], "tool_calls is []; allowed is a list with a call, or none at all"),
        ([{"role": ["user"], "content": "x"}], "a message is"),
        ([{"role": "user", "content": None}], "a message is"),
    ],
)
def test_a_conversation_in_another_form_is_refused_in_one_line(messages: object, words: str) -> None:
    with pytest.raises(BadTools) as refused:
        check_messages(messages)
    assert words in str(refused.value)


def test_calls_of_people_get_the_whole_form() -> None:
    [first, second] = read_calls([{"name": "weather", "arguments": {"city": "Rome"}}, {"name": "news"}])
    assert first == called(id="call_1")
    assert second["function"] == {"name": "news", "arguments": "{}"}
    assert read_calls([called()]) == (called(),)
    with pytest.raises(BadTools, match="a call is"):
        read_calls([{"name": "weather", "argument": {}}])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (called(name="wether"), "wether is not a function that was offered; there are weather"),
        (called('{"days": 2}'), "the call of weather lacks the argument 'city', which weather requires"),
    ],
)
def test_a_call_of_what_was_not_offered_or_without_its_arguments_is_named(call: Any, words: str) -> None:
    require_offered([called()], [WEATHER])
    with pytest.raises(GrokputerError, match=words):
        require_offered([call], [WEATHER])


def test_a_call_is_read_as_a_name_with_arguments_on_one_line() -> None:
    assert show_call(called('{\n  "city": "Rome"\n}')).count("\n") == 0
    assert show_answer("I look.", [called(), called("{}", name="now")]) == 'I look.\nweather({"city": "Rome"})\nnow()'
    assert show_answer("", []) == ""


def test_equal_calls_have_one_key_whatever_their_ids_and_the_order_of_arguments() -> None:
    first = called('{"city": "Rome", "days": 2}')
    assert name_calls([first]) == name_calls([called('{"days":2,"city":"Rome"}', id="other")])
    assert name_calls([first]) != name_calls([called()])
