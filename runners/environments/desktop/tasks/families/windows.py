"""Several windows at once: values that go from one to another, windows that are opened and closed."""

from __future__ import annotations

from ......domain.page.messages import Page
from ....shell.draw import Draw
from ..family import Group
from ..instance import Goal, Made, Moment, Program, Step, has_files, printed
from ..steps import click, fill, key, run, value_of, window
from .dialogs import ANSWER, dialog
from .editor import editor

GROUP = Group()

CALCULATOR = Program(("galculator",))


def digits(text: str) -> list[Step]:
    """The buttons of the calculator for these characters."""
    return [click("button", character) for character in text]


def _shows(number: int) -> Goal:
    return lambda moment: any(text.replace(",", "").strip() == str(number) for text in moment.texts)


def _sum(draw: Draw) -> tuple[str, int]:
    first, second = draw.numbers(2, 11, 99)
    sign = draw.one_of("+-*")
    return f"{first}{sign}{second}", {"+": first + second, "-": first - second, "*": first * second}[sign]


@GROUP.family(
    "Work out {sum} with the calculator and leave the result on its display.",
    "Let the calculator show what {sum} is.",
    "Use the calculator: {sum}. The result stays on the display.",
    "How much is {sum}? Have the calculator show it.",
)
def calculate(draw: Draw) -> Made:
    """Press the buttons of a calculator."""
    words, number = _sum(draw)
    return Made({"sum": words}, [CALCULATOR], _shows(number), [*digits(words), click("button", "=")])


@GROUP.family(
    "What is the square root of {number}? Let the calculator show it.",
    "Have the calculator show the square root of {number}.",
    "Work out the root of {number} with the calculator and leave it on the display.",
    "Use the calculator's sqrt on {number}.",
)
def square_root(draw: Draw) -> Made:
    """Use a function of a calculator."""
    root = draw.number(11, 40)
    solution = [*digits(str(root * root)), click("button", "sqrt")]
    return Made({"number": root * root}, [CALCULATOR], _shows(root), solution)


@GROUP.family(
    "Work out {sum} with the calculator, write the result into {file} and save it.",
    "{file} should have the result of {sum} in place of its text; the calculator helps. Save it.",
    "Calculate {sum} and put what comes out into {file}, nothing else. Save the file.",
    "Write into {file} how much {sum} is, instead of its old text, and save.",
)
def write_result(draw: Draw) -> Made:
    """Take a result from a calculator to an editor."""
    words, number = _sum(draw)
    file = draw.file()
    solution = [*digits(words), click("button", "="), window(f"~/{file}"), fill(str(number), "textarea"), key("ctrl+s")]
    programs = [editor(file), CALCULATOR]
    return Made({"sum": words, "file": file}, programs, has_files({file: str(number)}), solution, {file: draw.text(1)})


@GROUP.family(
    "Copy the number in {file} into the dialog and press OK.",
    "The dialog asks for a number; it stands in {file}. Enter it and confirm.",
    "Read the number in {file} and give it to the dialog, then OK.",
    "Enter into the dialog what {file} says, and press OK.",
)
def copy_number(draw: Draw) -> Made:
    """Take a value from an editor to a dialog."""
    file, number = draw.file(), str(draw.number(10_000, 99_999))
    seen: dict[str, str] = {}

    def look(page: Page) -> str:
        seen["value"] = value_of(page, "textarea")
        return window("Number")(page)

    programs = [dialog("--entry", "--title=Number", "--text=Number"), editor(file)]
    solution = [look, fill(lambda page: seen["value"]), click("button", "OK")]
    return Made({"file": file}, programs, printed(ANSWER, number), solution, {file: number + "\n"})


@GROUP.family(
    "Copy the text of {first} into {second}, in place of what is there, and save {second}.",
    "{second} should say the same as {first}. Save it.",
    "Write into {second} what {first} says, instead of its old text, and save {second}.",
    "Take the whole text of {first} over to {second}; save that file.",
)
def copy_text(draw: Draw) -> Made:
    """Copy a text from one editor to another by the clipboard."""
    first, second = draw.files(2)
    files = {first: " ".join(draw.words(3)) + "\n", second: draw.text(1)}
    solution = [
        *(window(first), click("textarea"), key("ctrl+a"), key("ctrl+c")),
        *(window(f"~/{second}"), click("textarea"), key("ctrl+a"), key("ctrl+v"), key("ctrl+s")),
    ]
    goal = has_files({**files, second: files[first]})
    return Made(
        {"first": first, "second": second}, [editor(second), editor(first, program="l3afpad")], goal, solution, files
    )


@GROUP.family(
    "Close the window of {file} and leave the others open.",
    "Close {file}; the other windows stay.",
    "One window shows {file}. Close that one alone.",
    "The window with {file} can be closed, no other.",
)
def close_window(draw: Draw) -> Made:
    """Close one of three windows."""
    names = draw.files(3)
    file = draw.one_of(names)

    def goal(moment: Moment) -> bool:
        left = [name for name in names if any(name in title for title in moment.titles)]
        return left == [name for name in names if name != file]

    programs = [editor(name, program="l3afpad") for name in names]
    return Made({"file": file}, programs, goal, [window(file), key("ctrl+q")], {name: draw.text(1) for name in names})


@GROUP.family(
    "Open {file} in an editor.",
    "Show me {file} in a text editor.",
    "Start an editor with {file} in it.",
    "I want to see {file} in an editor's window.",
)
def open_file(draw: Draw) -> Made:
    """Start a program on a file."""
    names = draw.files(3)
    file = draw.one_of(names)
    programs = [Program(("pcmanfm", "."))]
    goal = lambda moment: any(file in title for title in moment.titles)  # noqa: E731
    return Made({"file": file}, programs, goal, [run(f"mousepad {file}")], {name: draw.text(1) for name in names})
