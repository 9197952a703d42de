"""Texts that are written and changed in an editor."""

from __future__ import annotations

from ....shell.draw import Draw, as_text
from ..family import Group
from ..instance import Made, Program, has_files
from ..steps import click, fill, key

GROUP = Group()


def editor(*files: str, program: str = "mousepad") -> Program:
    """An editor with the files open."""
    return Program((program, *files))


@GROUP.family(
    'Write "{text}" and save it as {file} in the home folder.',
    'Make a text file {file} in the home folder that says "{text}".',
    'I need a note called {file}: "{text}". Put it in the home folder.',
    'Type "{text}" into the editor, then save under the name {file} in the home folder.',
)
def write_note(draw: Draw) -> Made:
    """Type a text and save it under a new name."""
    text, file = " ".join(draw.words(3)), draw.file()
    solution = [
        fill(text, "textarea"),
        key("ctrl+shift+s"),
        fill(f"~/{file}", "entry", "Name"),
        click("button", "Save"),
    ]
    return Made({"text": text, "file": file}, [editor()], has_files({file: text}), solution)


@GROUP.family(
    "Add {word} as the last line of {file} and save it.",
    "Append the line {word} to {file}; save the file.",
    "{file} needs one more line at its end: {word}. Save it.",
    "Put {word} on a new line after all others in {file}, and save.",
)
def append_line(draw: Draw) -> Made:
    """Add a line at the end of a file."""
    file, word, lines = draw.file(), draw.word(), draw.words(3)
    wanted = [*lines, word]
    solution = [fill("\\n".join(wanted), "textarea"), key("ctrl+s")]
    return Made({"word": word, "file": file}, [editor(file)], has_files({file: as_text(wanted)}), solution, {file: as_text(lines)})
