"""Files and folders that are made, copied, moved and renamed by one command."""

from __future__ import annotations

from ..draw import Draw
from ..family import Group, Made
from ..instance import becomes
from ..layout import Files, Link

GROUP = Group()


@GROUP.family(
    "Make a folder called {folder}.",
    "Create a directory named {folder}.",
    "I need a new folder {folder}.",
    "Set up a directory {folder} for me.",
    "There should be a folder by the name of {folder}.",
    "Add an empty folder; call it {folder}.",
    "Please give me a place for files, named {folder}.",
    "New directory: {folder}.",
)
def make_folder(draw: Draw) -> Made:
    """Make a folder."""
    folder, files = draw.folder(), {draw.file(): draw.text(), draw.file(): draw.text()}
    return Made({"folder": folder}, files, becomes(files, {f"{folder}/": ""}), [f"mkdir {folder}"])


@GROUP.family(
    "Create an empty file {file}.",
    "Make a blank file called {file}.",
    "I want a new empty file {file}.",
    "Start a file {file} with nothing in it.",
    "There should be a file {file}, still empty.",
    "Add {file}, without any content.",
    "Put an empty file by the name of {file} here.",
    "New file, no text: {file}.",
)
def make_file(draw: Draw) -> Made:
    """Make an empty file."""
    file, files = draw.file("md"), {draw.file(): draw.text(), f"{draw.folder()}/{draw.file()}": draw.text()}
    return Made({"file": file}, files, becomes(files, {file: ""}), [f"touch {file}"])


@GROUP.family(
    "Copy {file} to {new}.",
    "Make a copy of {file} named {new}.",
    "Duplicate {file} as {new}.",
    "I want a second copy of {file}, called {new}.",
    "{new} should be the same as {file}, which stays.",
    "Reproduce {file} under the name {new}.",
    "Take {file} and store it once more as {new}.",
    "Give me {file} again, in a file called {new}.",
)
def copy_as(draw: Draw) -> Made:
    """Copy a file to another name."""
    file, new = draw.files(2)
    files = {file: draw.text(), draw.file("md"): draw.text()}
    return Made({"file": file, "new": new}, files, becomes(files, {new: files[file]}), [f"cp {file} {new}"])


@GROUP.family(
    "Copy {file} into {folder}.",
    "Put a copy of {file} in the folder {folder}.",
    "Place a copy of {file} inside {folder}.",
    "{folder} should get a copy of {file}.",
    "Add {file} to {folder} too, and keep it here.",
    "{file} is needed in the folder {folder} as well.",
    "Let {folder} have its own {file}, the same as this one.",
    "Duplicate {file} in the directory {folder}.",
)
def copy_into(draw: Draw) -> Made:
    """Copy a file into a folder."""
    file, folder = draw.file(), draw.folder()
    files: Files = {file: draw.text(), draw.file(): draw.text(), f"{folder}/": ""}
    goal = becomes(files, {f"{folder}/{file}": files[file]})
    return Made({"file": file, "folder": folder}, files, goal, [f"cp {file} {folder}/"])


@GROUP.family(
    "Move {file} into {folder}.",
    "Put {file} in the folder {folder}.",
    "File {file} away under {folder}.",
    "{file} belongs in {folder}.",
    "Take {file} from here to the directory {folder}.",
    "{file} should lie in {folder} and nowhere else.",
    "Transfer {file} to the folder {folder}.",
    "The place for {file} is {folder}, not here.",
)
def move_into(draw: Draw) -> Made:
    """Move a file into a folder."""
    file, folder = draw.file(), draw.folder()
    files: Files = {file: draw.text(), draw.file(): draw.text(), f"{folder}/": ""}
    goal = becomes(files, {file: None, f"{folder}/{file}": files[file]})
    return Made({"file": file, "folder": folder}, files, goal, [f"mv {file} {folder}/"])


@GROUP.family(
    "Rename {file} to {new}.",
    "Change the name of {file} to {new}.",
    "Call {file} {new} from now on.",
    "Give {file} the new name {new}.",
    "{file} should be named {new} instead.",
    "The file {file} is now to be called {new}.",
    "Turn the name {file} into {new}.",
    "{new} is a better name for {file}; use it.",
)
def rename_file(draw: Draw) -> Made:
    """Rename a file."""
    file, new = draw.files(2)
    files = {file: draw.text(), draw.file("md"): draw.text()}
    goal = becomes(files, {file: None, new: files[file]})
    return Made({"file": file, "new": new}, files, goal, [f"mv {file} {new}"])


@GROUP.family(
    "Make {link} a symbolic link to {file}.",
    "Create a symlink {link} that leads to {file}.",
    "Link {link} to {file}, symbolically.",
    "I want a soft link called {link} to the file {file}.",
    "{link} should be a symbolic link; its target is {file}.",
    "Let {link} point to {file} by a symlink.",
    "Set a soft link from {link} to {file}.",
    "Add the name {link} for {file}, as a symbolic link.",
)
def link_file(draw: Draw) -> Made:
    """Make a symbolic link."""
    file, link = draw.file(), draw.name()
    files = {file: draw.text(), draw.file(): draw.text()}
    goal = becomes(files, {link: Link(file)})
    return Made({"file": file, "link": link}, files, goal, [f"ln -s {file} {link}"])


@GROUP.family(
    "Rename every .jpeg file to .jpg.",
    "Change the ending of all .jpeg files to .jpg.",
    "All files that end in .jpeg should end in .jpg.",
    "Replace the ending jpeg by jpg in all file names.",
    "Give each .jpeg file the ending .jpg instead.",
    "Let the names of the .jpeg files end in .jpg.",
    "Our pictures are called .jpeg; call them .jpg.",
    "Turn .jpeg into .jpg for all names here.",
)
def rename_ending(draw: Draw) -> Made:
    """Rename all files of a kind."""
    names = [draw.name() for _ in range(draw.number(2, 4))]
    files: Files = {**{f"{name}.jpeg": f"{name}\n" for name in names}, draw.file(): draw.text()}
    gone = {f"{name}.jpeg": None for name in names}
    goal = becomes(files, {**gone, **{f"{name}.jpg": f"{name}\n" for name in names}})
    return Made({}, files, goal, ["for f in *.jpeg; do mv $f ${f%.jpeg}.jpg; done"])
