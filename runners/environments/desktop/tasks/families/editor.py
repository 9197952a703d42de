"""Texts that are written and changed in an editor."""

from __future__ import annotations

from ....shell.draw import Draw, as_text
from ..family import Group
from ..instance import Made, Program, Step, has_files
from ..steps import click, fill, key

GROUP = Group()

GREETINGS = (
    "Grüße, 5 €",
    "Καλημέρα",
    "Доброе утро",
    "おはよう",
    "你好",
    "안녕하세요",
    "שלום",
    "नमस्ते",
    "naïve ✓",
    "مرحبا",
)
"""Texts in many scripts."""


def editor(*files: str, program: str = "mousepad") -> Program:
    """An editor with the files open."""
    return Program((program, *files))


def save_as(file: str) -> list[Step]:
    """The steps that save the text under a new name."""
    return [key("ctrl+shift+s"), fill(file, "entry", "Name"), click("button", "Save")]


@GROUP.family(
    'Write "{text}" and save it as {file} in the home folder.',
    'Make a text file {file} in the home folder that says "{text}".',
    'I need a note called {file}: "{text}". Put it in the home folder.',
    'Type "{text}" into the editor, then save under the name {file} in the home folder.',
)
def write_note(draw: Draw) -> Made:
    """Type a text and save it under a new name."""
    text, file = " ".join(draw.words(3)), draw.file()
    solution = [fill(text, "textarea"), *save_as(file)]
    return Made({"text": text, "file": file}, [editor()], has_files({file: text}), solution)


@GROUP.family(
    "Put the greeting {text} into {file} in place of what is there, and save.",
    "{file} should say {text} and nothing else. Save it.",
    "Replace the whole text of {file} by: {text} - then save.",
    "Write {text} into {file} instead of its old text and save the file.",
)
def write_greeting(draw: Draw) -> Made:
    """Type a text in another script."""
    text, file = draw.one_of(GREETINGS), draw.file()
    solution = [fill(text, "textarea"), key("ctrl+s")]
    return Made({"text": text, "file": file}, [editor(file)], has_files({file: text}), solution, {file: draw.text(1)})


@GROUP.family(
    "Add {word} as the last line of {file} and save it.",
    "Append the line {word} to {file}; save the file.",
    "{file} needs one more line at its end: {word}. Save it.",
    "Put {word} on a new line after all others in {file}, and save.",
)
def append_line(draw: Draw) -> Made:
    """Add a line at the end of a file."""
    file, word, lines = draw.file(), draw.word(), draw.words(3)
    solution = [fill("\\n".join([*lines, word]), "textarea"), key("ctrl+s")]
    goal = has_files({file: as_text([*lines, word])})
    return Made({"word": word, "file": file}, [editor(file)], goal, solution, {file: as_text(lines)})


@GROUP.family(
    "Take the line {word} out of {file} and save it.",
    "Delete the line that says {word} from {file}, then save.",
    "{file} has a line {word} that should go. Save the file without it.",
    "Remove {word} from the list in {file} and save the list.",
)
def delete_line(draw: Draw) -> Made:
    """Take a line out of a file."""
    file, lines = draw.file(), draw.words(4)
    word = draw.one_of(lines)
    left = [line for line in lines if line != word]
    solution = [fill("\\n".join(left), "textarea"), key("ctrl+s")]
    goal = has_files({file: as_text(left)})
    return Made({"word": word, "file": file}, [editor(file)], goal, solution, {file: as_text(lines)})


@GROUP.family(
    "Replace {old} by {new} everywhere in {file} and save it.",
    "Change each {old} in {file} to {new}; save.",
    "{file} says {old} several times. It should say {new}. Save it.",
    "Write {new} instead of {old} throughout {file}, then save the file.",
)
def replace_word(draw: Draw) -> Made:
    """Replace a word wherever it stands, by the editor's dialog."""
    file, old, new = draw.file(), *draw.words(2)
    text = as_text([f"{old} {draw.word()}", draw.word(), f"{draw.word()} {old}"])
    solution = [
        *(key("ctrl+r"), fill(old, "entry", "Search for"), fill(new, "entry", "Replace with")),
        *(
            click("checkbox", "Replace all in:"),
            click("button", "Replace All"),
            click("button", "Close"),
            key("ctrl+s"),
        ),
    ]
    goal = has_files({file: text.replace(old, new)})
    return Made({"old": old, "new": new, "file": file}, [editor(file)], goal, solution, {file: text})


@GROUP.family(
    "Save a copy of {file} under the name {copy} in the home folder; {file} stays.",
    "Keep {file} and save its text also as {copy} in the home folder.",
    "I want the text of {file} a second time, as {copy} in the home folder.",
    "Use Save As to make {copy} from {file}, in the home folder.",
)
def save_copy(draw: Draw) -> Made:
    """Save a file under a second name."""
    file, copy = draw.files(2)
    text = draw.text(2)
    goal = has_files({file: text, copy: text})
    return Made({"file": file, "copy": copy}, [editor(file)], goal, save_as(copy), {file: text})


@GROUP.family(
    "Turn all of {file} into capital letters and save it.",
    "Make the text of {file} uppercase, then save.",
    "{file} should be in capitals throughout. Save it so.",
    "Convert the whole text in {file} to upper case and save the file.",
)
def capital_letters(draw: Draw) -> Made:
    """Convert a text by the editor's menus."""
    file, text = draw.file(), as_text(draw.words(2))
    solution = [
        *(key("ctrl+a"), click("menu", "Edit"), click("menu", "Convert")),
        *(click("menu-item", "To Uppercase"), key("ctrl+s")),
    ]
    return Made({"file": file}, [editor(file)], has_files({file: text.upper()}), solution, {file: text})


@GROUP.family(
    "Open {file} and add a first line that says {word}. Save it.",
    "{word} should be the first line of {file}; open the file, add it and save.",
    "Put {word} on a line of its own before all others in {file}, which is not open yet.",
    "In the home folder lies {file}. Insert the line {word} at its top and save it.",
)
def open_and_change(draw: Draw) -> Made:
    """Open a file by the editor's dialog, and change it."""
    file, word, lines = draw.file(), draw.word(), draw.words(2)
    solution = [
        *(key("ctrl+o"), click("cell", file), click("button", "Open")),
        *(fill("\\n".join([word, *lines]), "textarea"), key("ctrl+s")),
    ]
    files = {file: as_text(lines), draw.file(): draw.text(1)}
    goal = has_files({**files, file: as_text([word, *lines])})
    return Made({"word": word, "file": file}, [editor()], goal, solution, files)
