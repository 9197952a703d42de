"""What a house does in its own way: deleting, backing up, noting. The requests do not say how."""

from __future__ import annotations

from ..draw import Draw, as_text
from ..family import Group, Made
from ..instance import becomes
from ..layout import Files

GROUP = Group()

TRASH = ".trash/"
"""Where deleted files go."""


@GROUP.family(
    "Delete {file}.",
    "Remove the file {file}.",
    "Get rid of {file}.",
    "I no longer need {file}.",
    "{file} can go.",
    "Throw {file} away.",
    "Clear {file} out of the way.",
    "Please do away with {file}.",
)
def delete_file(draw: Draw) -> Made:
    """Delete a file: it goes to the trash."""
    file, other = draw.files(2)
    files: Files = {file: draw.text(), other: draw.text(), TRASH: ""}
    goal = becomes(files, {file: None, f"{TRASH}{file}": files[file]})
    return Made({"file": file}, files, goal, [f"mv {file} {TRASH}"])


@GROUP.family(
    "Delete all .{ending} files.",
    "Remove every file that ends in .{ending}.",
    "Get rid of the .{ending} files.",
    "I no longer need any .{ending} file.",
    "The .{ending} files can go, all of them.",
    "Throw whatever is called .{ending} away.",
    "Clear this folder of .{ending} files.",
    "No .{ending} file should be left here; remove them.",
)
def delete_kind(draw: Draw) -> Made:
    """Delete all files of a kind: they go to the trash."""
    ending = draw.one_of(("tmp", "log", "old"))
    gone = draw.files(draw.number(2, 3), ending)
    files: Files = {**{name: draw.text(2) for name in gone}, draw.file(): draw.text(), TRASH: ""}
    goal = becomes(files, {**dict.fromkeys(gone), **{f"{TRASH}{name}": files[name] for name in gone}})
    return Made({"ending": ending}, files, goal, [f"mv *.{ending} {TRASH}"])


@GROUP.family(
    "Back up {file}.",
    "Make a backup of {file}.",
    "Keep a safe copy of {file}.",
    "{file} should be backed up.",
    "I may spoil {file}; make a backup first.",
    "Create the backup copy of {file}.",
    "Save {file} against loss.",
    "There is no backup of {file} yet; see to it.",
)
def back_up(draw: Draw) -> Made:
    """Back a file up."""
    file = draw.file(draw.one_of(("txt", "md", "csv")))
    files: Files = {file: draw.text(), draw.file(): draw.text()}
    return Made({"file": file}, files, becomes(files, {f"{file}.bak": files[file]}), [f"cp {file} {file}.bak"])


@GROUP.family(
    "Restore {file} from its backup.",
    "Bring back {file} as it was when it was backed up.",
    "{file} is spoilt; take the backup in its place.",
    "Undo all changes of {file} since its backup.",
    "Put the saved copy of {file} back.",
    "Go back to the backup of {file}.",
    "Let {file} be what its backup says.",
    "I ruined {file}. Use the backup.",
)
def restore_file(draw: Draw) -> Made:
    """Restore a file: the backup stays."""
    file = draw.file()
    files: Files = {file: draw.text(), f"{file}.bak": draw.text(), draw.file(): draw.text()}
    return Made({"file": file}, files, becomes(files, {file: files[f"{file}.bak"]}), [f"cp {file}.bak {file}"])


@GROUP.family(
    "Note {word} in {file}.",
    "Add the note {word} to {file}.",
    "Put {word} on the list {file}.",
    "{word} should be noted in {file}.",
    "Make a note in {file}: {word}.",
    "Remember {word}; notes are kept in {file}.",
    "Take a note of {word}, in {file}.",
    "One more note for {file}, namely {word}.",
)
def add_note(draw: Draw) -> Made:
    """Note something: a line that begins with a dash."""
    word, file = draw.word(), "notes.md"
    files = {file: as_text([f"- {note}" for note in draw.words(3)]), draw.file(): draw.text()}
    goal = becomes(files, {file: f"{files[file]}- {word}\n"})
    return Made({"word": word, "file": file}, files, goal, [f'echo "- {word}" >> {file}'])
