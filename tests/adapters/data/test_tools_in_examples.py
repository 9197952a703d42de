"""Examples with tools: read from sets in OpenAI's form, written and read again, and made from recorded runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from offered import ASKED, CALLING, RUN, TALK, WEATHER, called, result

import grokputer
from grokputer.adapters.data.augmentation import rename
from grokputer.adapters.data.dataset import TOPICS, build_dataset
from grokputer.adapters.data.examples import Example, dataset_hash, read_examples, write_examples
from grokputer.adapters.data.exports import alpaca_rows, write_set
from grokputer.adapters.data.imports.public_set import PublicSet, read_public
from grokputer.adapters.data.selection import Selection
from grokputer.domain.errors import InvalidExamples
from grokputer.domain.settings.recipe import Recipe

RIGHT = (called('{"city": "Rome", "days": 2}', id="call_1"),)
EXAMPLE = Example(
    tuple(TALK), "I look.", "public", tools=(WEATHER,), tool_calls=RIGHT, rejected="No.", rejected_calls=(called("{}"),)
)
PLAIN = Example((ASKED,), "22 C", "public")


def read(folder: Path, *rows: Any) -> PublicSet:
    file = folder / "set.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_public(str(file), "action")


@pytest.mark.parametrize("tools", [[WEATHER], json.dumps([WEATHER])], ids=["a list", "its text"])
def test_each_answer_of_a_conversation_with_tools_is_learnt_with_its_calls(tmp_path: Path, tools: object) -> None:
    done: Any = {"role": "assistant", "content": "22 C"}
    [calling, saying] = read(tmp_path, {"messages": [*TALK, done], "tools": tools}).examples
    assert (calling.messages, calling.completion, calling.tool_calls) == ((ASKED,), "", (called(),))
    assert (saying.messages, saying.completion, saying.tool_calls) == (tuple(TALK), "22 C", ())
    assert calling.tools == saying.tools == (WEATHER,)


def test_arguments_may_be_objects_as_many_sets_have_them(tmp_path: Path) -> None:
    call = {"id": "call_a1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Rome"}}}
    [example] = read(
        tmp_path, {"messages": [ASKED, {"role": "assistant", "content": None, "tool_calls": [call]}]}
    ).examples
    assert example.tool_calls == (called(),)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [ASKED, CALLING, {"role": "tool", "content": "22 C"}, {"role": "assistant", "content": "22 C"}]},
        {"messages": [ASKED, CALLING, result(id="other"), {"role": "assistant", "content": "22 C"}]},
        {"messages": [ASKED, {"role": "assistant", "function_call": {"name": "weather"}, "content": ""}]},
        {"messages": [{**ASKED, "tool_calls": [called()]}, {"role": "assistant", "content": "22 C"}]},
        {"messages": [ASKED, CALLING], "tools": "[" * 100_000},
        {"messages": [ASKED, CALLING], "tools": [{"name": "weather"}]},
        {"messages": [ASKED, CALLING], "functions": [{"name": "weather"}]},
        {"messages": [ASKED], "completion": "", "tool_calls": [{"name": "\x1b[2J"}]},
    ],
)
def test_tools_in_another_form_are_left_out_with_the_reason(tmp_path: Path, row: Any) -> None:
    left = read(tmp_path, row, {"prompt": "Two?", "completion": "2"})
    assert left.reasons == {"tools": 1}
    assert left.first["tools"][0].isprintable()


@pytest.mark.parametrize("end", [".jsonl", ".json", ".parquet", ".jsonl.gz", ".toon"])
def test_what_is_written_with_tools_comes_back(tmp_path: Path, end: str) -> None:
    if end == ".toon":
        pytest.importorskip("toon_format", reason="the library of TOON files is not installed")
    news: Any = {"type": "function", "function": {"name": "news", "parameters": {"type": "object", "properties": {}}}}
    written = [EXAMPLE, PLAIN, replace(EXAMPLE, tools=(news, WEATHER), completion="", rejected="")]
    write_set(tmp_path / f"set{end}", written)
    back = read_public(str(tmp_path / f"set{end}"), "action")
    assert [replace(example, instance="") for example in back.examples] == written
    assert (back.left_out, back.unread) == (0, {})


def test_a_dataset_file_holds_tools_and_one_without_them_keeps_its_hash(tmp_path: Path) -> None:
    write_examples(tmp_path / "set.jsonl", [EXAMPLE, PLAIN])
    assert read_examples(tmp_path / "set.jsonl") == [EXAMPLE, PLAIN]
    assert json.loads((tmp_path / "set.jsonl").read_text().splitlines()[1]).keys() == {
        "messages", "completion", "source", "role", "run_id", "step",
    }  # fmt: skip
    old = Example(
        ({"role": "user", "content": "Two?"},), "2", "correction", run_id="ab", instance="chat#x", rejected="3"
    )
    row = (
        '{"messages":[{"role":"user","content":"Two?"}],"completion":"2","source":"correction","role":"action",'
        '"run_id":"ab","step":0,"instance":"chat#x","rejected":"3"}\n'
    )
    assert dataset_hash([old]) == f"sha256:{hashlib.sha256(row.encode()).hexdigest()}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tool_calls": [{"name": "x"}]}, "a call is"),
        (
            {"completion": "", "tool_calls": []},
            "'completion' must be the answer as text, not empty without 'tool_calls'",
        ),
        ({"tools": "weather"}, "allowed is a list of definitions"),
        ({"messages": [ASKED, result()]}, "answers no call"),
        ({"rejected_calls": [called("[]")]}, "rejected_calls: the arguments of weather"),
    ],
)
def test_a_damaged_dataset_file_is_one_line(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    (tmp_path / "set.jsonl").write_text(json.dumps({**EXAMPLE.to_json(), **change}))
    with pytest.raises(InvalidExamples) as refused:
        read_examples(tmp_path / "set.jsonl")
    assert words in str(refused.value)


def test_alpaca_and_other_names_have_no_form_for_tools() -> None:
    assert [row["output"] for row in alpaca_rows([EXAMPLE, PLAIN])] == ["22 C"]
    page = ({"role": "user", "content": "task: click Rome\nbutton:Rome[1]\ntask: click Rome\ndo: "},)
    named = Example(page, "CLICKbutton:Rome[1]", "correction")  # type: ignore[arg-type]
    assert not rename([replace(named, tools=(WEATHER,))], 3, 0)


def test_equal_calls_are_one_example_and_other_calls_or_offers_are_another() -> None:
    again = replace(EXAMPLE, tool_calls=(called('{"days":2,"city":"Rome"}', id="z"),))
    others = [replace(EXAMPLE, tool_calls=(called(),)), replace(EXAMPLE, tools=())]
    assert Selection().take([EXAMPLE, again, *others]) == [EXAMPLE, *others]


def test_a_corrected_call_becomes_a_target_and_the_given_call_the_rejected_one(tmp_path: Path) -> None:
    with grokputer.open(tmp_path / "events.db", create=True, actor="ada") as log:
        run = log.record(RUN).run
        log.correct(run, tool_calls=[{"name": "weather", "arguments": {"city": "Rome", "days": 2}}], step=1)
        good = log.record(replace(RUN, task="again", stars=5, steps=RUN.steps[1:])).run
        events = [recorded.event for recorded in log.events(topics=TOPICS)]
        built = build_dataset(events, log.text, "action", 4, Recipe(replay_share=0.5))
    by_source = {example.source: example for example in built.examples}
    lesson, replay = by_source["correction"], by_source["replay"]
    assert (lesson.run_id, lesson.messages, lesson.tools) == (run.hex, (ASKED,), (WEATHER,))
    assert (lesson.completion, lesson.tool_calls) == ("", RIGHT)
    assert (lesson.rejected, lesson.rejected_calls) == ("", (called(),))
    assert (replay.run_id, replay.messages, replay.tool_calls) == (good.hex, tuple(TALK), (called('{"city": "Bari"}'),))
