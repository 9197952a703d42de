"""The same example with other names, the same way to do it."""

from __future__ import annotations

import pytest

from grokputer.adapters.data.augmentation import rename
from grokputer.adapters.data.examples import Example

VOCABULARY = Example(
    ({"role": "user", "content": "task: t\np:amber birch cedar daisy elder fern[1]\ntask: t\ndo: "},), "DONE", "replay"
)


def example(task: str, lines: list[str], completion: str, did: str = "") -> Example:
    content = "\n".join([f"task: {task}", *lines, *([f"did: {did}"] if did else []), f"task: {task}\ndo: "])
    return Example(({"role": "user", "content": content},), completion, "correction", run_id="r", step=1)


def renamed(of: Example, seed: int = 0) -> tuple[list[str], str]:
    (varied,) = rename([of, VOCABULARY], 1, seed)
    return varied.messages[-1]["content"].split("\n"), varied.completion


def test_a_word_of_task_page_and_answer_becomes_another_one_everywhere() -> None:
    lines, completion = renamed(
        example("Open Mail.", ["button:Mail[1]", "button:cedar fern[2]"], "CLICKbutton:Mail[1]")
    )
    other = completion.removeprefix("CLICKbutton:").removesuffix("[1]")
    assert other.lower() in ("amber", "birch", "daisy", "elder")
    assert lines == [
        f"task: Open {other}.",
        f"button:{other}[1]",
        "button:cedar fern[2]",
        f"task: Open {other}.",
        "do: ",
    ]


def test_capitals_stay_where_they_were() -> None:
    lines, completion = renamed(
        example(
            "press OK now, then submit",
            ["button:Submit[1]", "p:amber birch cedar daisy fern[2]"],
            "CLICKbutton:Submit[1]",
        )
    )
    assert lines[0] == "task: press OK now, then elder"
    assert completion == "CLICKbutton:Elder[1]"


def test_what_is_typed_from_the_page_is_renamed_with_the_page() -> None:
    lines, completion = renamed(
        example("Type the colour.", ["td:Colour[1]", "td:aqua[2]", "input.text#tt[3]"], "TYPEinput.text#tt[3]aqua")
    )
    assert lines[2] == f"td:{completion.removeprefix('TYPEinput.text#tt[3]')}[2]"
    assert lines[1] == f"td:{lines[0].removeprefix('task: Type the ').removesuffix('.').capitalize()}[1]"


def test_the_history_is_renamed_with_the_rest_but_no_kind_of_element_is() -> None:
    lines, completion = renamed(
        example(
            "Put Bob into text.",
            ["input.text=Bob:text[1]", "button:elder[2]"],
            "CLICKbutton:elder[2]",
            "TYPEinput.text:text[1]Bob",
        )
    )
    assert all("input.text" in line for line in (lines[1], lines[3]))
    assert lines[3].split("[1]")[1] == lines[1].split("=")[1].split(":")[0]
    assert completion == "CLICKbutton:elder[2]"


@pytest.mark.parametrize(
    ("task", "line", "completion"),
    [
        ('Click the "x".', "button:Close[1]", "CLICKbutton:Close[1]"),  # what only the page says may mean something
        ('Enter what starts with "Tha".', "li:Thailand[1]", "CLICKli:Thailand[1]"),  # a part of a word
        ("Click the red one.", "div red[1]", "CLICKdiv red[1]"),  # not a text of the page
        ("Finish.", "p:nothing here[1]", "DONE"),
    ],
)
def test_nothing_is_renamed_where_words_may_mean_something(task: str, line: str, completion: str) -> None:
    assert rename([example(task, [line], completion), VOCABULARY], 3, 0) == []


def test_a_new_line_in_a_text_is_no_part_of_the_word_after_it() -> None:
    lines, completion = renamed(
        example(
            "Append the line harbor; save it.",
            [r"textarea=tiger\nharbor\nlamp[1]", "p:amber birch cedar[2]"],
            r"TYPEtextarea=tiger\nharbor\nlamp[1]tiger\nharbor\nlamp\nharbor",
        )
    )
    other = lines[0].removeprefix("task: Append the line ").removesuffix("; save it.")
    first, new, last = lines[1].removeprefix("textarea=").removesuffix("[1]").split(r"\n")
    assert new == other
    assert completion == rf"TYPE{lines[1]}{first}\n{other}\n{last}\n{other}"
    assert not {"harbor", "tiger", "lamp", "nharbor"} & {first, new, last}


def test_an_answer_without_an_element_keeps_its_words_and_the_rest_is_renamed() -> None:
    lines, completion = renamed(
        example("Save harbor in mousepad.", ["window:harbor[1]", "p:mousepad amber birch[2]"], "RUN mousepad")
    )
    assert completion == "RUN mousepad"
    assert lines[0] != "task: Save harbor in mousepad." and lines[0].endswith(" in mousepad.")
    assert lines[1] == f"window:{lines[0].removeprefix('task: Save ').removesuffix(' in mousepad.')}[1]"


def test_a_word_of_a_line_that_cannot_be_renamed_is_kept_everywhere() -> None:
    lines, completion = renamed(
        example(
            "Save harbor beside lantern.",
            ["window:harbor[1]", "window:lantern[2]", "p:amber birch[3]"],
            "CLICKwindow:harbor[1]",
            "RUN mousepad harbor",
        )
    )
    assert lines[4] == "did: RUN mousepad harbor"
    assert completion == lines[1].replace("window", "CLICKwindow") == "CLICKwindow:harbor[1]"
    assert (
        lines[2]
        == f"window:{lines[0].removeprefix('task: Save harbor beside ').removesuffix('.')}[2]"
        != "window:lantern[2]"
    )


def test_words_with_digits_keep_their_shape() -> None:
    _, completion = renamed(example('Type "a7Q".', ["input.text[1]"], "TYPEinput.text[1]a7Q"))
    letters = completion.removeprefix("TYPEinput.text[1]")
    assert [letter.isdigit() for letter in letters] == [False, True, False]


def test_a_renamed_example_knows_the_run_it_came_from_and_the_same_seed_gives_the_same() -> None:
    first = [example("Open Mail.", ["button:Mail[1]"], "CLICKbutton:Mail[1]"), VOCABULARY]
    varied = rename(first, 2, 5)
    assert [(each.source, each.run_id, each.step) for each in varied] == [("renamed", "r", 1)] * 2
    assert varied == rename(first, 2, 5)
    assert varied != rename(first, 2, 6)
