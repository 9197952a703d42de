"""Files and folders that are made, moved and renamed in a file manager."""

from __future__ import annotations

from ....shell.draw import Draw
from ..family import Group
from ..instance import Files, Made, Program, has_files
from ..steps import click, double, drag, fill, key, right

GROUP = Group()

MANAGER = (Program(("pcmanfm", ".")),)


def _changed(files: Files, wanted: dict[str, str | None]) -> dict[str, str | None]:
    """The files as they are to be: texts, None for a folder, without those that are empty."""
    return {
        path: None if path.endswith("/") else text for path, text in {**files, **wanted}.items() if text is not None
    }


@GROUP.family(
    "Rename {old} to {new}.",
    "Give the file {old} the name {new}.",
    "{old} should be called {new} from now on.",
    "Change the name of {old}: it becomes {new}.",
)
def rename_file(draw: Draw) -> Made:
    """Give a file another name."""
    old, new = draw.files(2)
    files = {old: draw.text(2), draw.file(): draw.text(1)}
    goal = has_files(_changed(files, {old: None, new: files[old]}))
    solution = [click("icon", old), key("f2"), fill(new), click("button", "OK")]
    return Made({"old": old, "new": new}, MANAGER, goal, solution, files)


@GROUP.family(
    "Make a folder called {folder}.",
    "Create a new folder {folder} here.",
    "I need a folder with the name {folder}.",
    "Add a folder and call it {folder}.",
)
def new_folder(draw: Draw) -> Made:
    """Make a folder."""
    folder = draw.folder()
    files = {draw.file(): draw.text(1)}
    goal = has_files({**files, folder: None})
    solution = [key("ctrl+shift+n"), fill(folder), click("button", "OK")]
    return Made({"folder": folder}, MANAGER, goal, solution, files)


@GROUP.family(
    "Delete {file} and nothing else.",
    "Get rid of the file {file}; leave all others.",
    "{file} is not needed any more: move it to the trash.",
    "Put {file} into the trash.",
)
def delete_file(draw: Draw) -> Made:
    """Delete one of several files."""
    names = draw.files(4)
    files = {name: draw.text(1) for name in names}
    file = draw.one_of(names)
    solution = [click("icon", file), key("delete"), click("button", "Yes")]
    return Made({"file": file}, MANAGER, has_files(_changed(files, {file: None})), solution, files)


@GROUP.family(
    "Copy {file} into the folder {folder}.",
    "Put a copy of {file} into {folder}; the file itself stays where it is.",
    "The folder {folder} should have a copy of {file}.",
    "Make a second {file} inside {folder}.",
)
def copy_file(draw: Draw) -> Made:
    """Copy a file into a folder."""
    file, folder = draw.file(), draw.folder()
    files = {f"{folder}/": "", file: draw.text(2)}
    goal = has_files({folder: None, file: files[file], f"{folder}/{file}": files[file]})
    solution = [click("icon", file), key("ctrl+c"), double("icon", folder), key("ctrl+v")]
    return Made({"file": file, "folder": folder}, MANAGER, goal, solution, files)


@GROUP.family(
    "Move {file} into the folder {folder}.",
    "{file} belongs into {folder}; put it there.",
    "Take {file} from here and put it into the folder {folder}.",
    "Cut {file} and paste it into {folder}.",
)
def move_file(draw: Draw) -> Made:
    """Move a file into a folder by cutting and pasting."""
    file, folder = draw.file(), draw.folder()
    files = {f"{folder}/": "", file: draw.text(2), draw.file(): draw.text(1)}
    goal = has_files(_changed(files, {file: None, f"{folder}/{file}": files[file]}))
    solution = [click("icon", file), key("ctrl+x"), double("icon", folder), key("ctrl+v")]
    return Made({"file": file, "folder": folder}, MANAGER, goal, solution, files)


@GROUP.family(
    "Drag {file} onto the folder {folder}.",
    "With the mouse, drag {file} into {folder}.",
    "Move {file} to {folder} by dragging it there.",
    "Drop the file {file} on the folder {folder}.",
)
def drag_file(draw: Draw) -> Made:
    """Drag a file onto a folder."""
    file, folder = draw.file(), draw.folder()
    files = {f"{folder}/": "", file: draw.text(2), draw.file(): draw.text(1)}
    goal = has_files(_changed(files, {file: None, f"{folder}/{file}": files[file]}))
    return Made({"file": file, "folder": folder}, MANAGER, goal, [drag("icon", file, folder)], files)


@GROUP.family(
    "Make an empty file called {file}.",
    "Create {file}, with nothing in it.",
    "I want an empty file {file} here.",
    "Add a file {file} that is empty.",
)
def empty_file(draw: Draw) -> Made:
    """Make an empty file by a menu."""
    file = draw.file()
    files = {draw.file(): draw.text(1)}
    solution = [
        *(click("menu", "File"), click("menu", "Create New..."), click("menu-item", "Empty File")),
        *(fill(file), click("button", "OK")),
    ]
    return Made({"file": file}, MANAGER, has_files({**files, file: ""}), solution, files)


@GROUP.family(
    "Delete the folder {folder} with all that is in it.",
    "The folder {folder} can go: move it to the trash.",
    "Put {folder} into the trash, with its files.",
    "Get rid of the folder {folder}; keep the other one.",
)
def delete_folder(draw: Draw) -> Made:
    """Delete a folder by its menu."""
    folder, other = draw.folder(), draw.folder()
    files = {f"{folder}/": "", f"{folder}/{draw.file()}": draw.text(1), f"{other}/": ""}
    solution = [right("icon", folder), click("menu-item", "Move to Trash"), click("button", "Yes")]
    return Made({"folder": folder}, MANAGER, has_files({other: None}), solution, files)
