"""Tasks of several commands in which a later one depends on what an earlier one printed."""

from __future__ import annotations

from ..draw import Draw, as_text
from ..family import Group, Made
from ..instance import Command, Moment, answers, becomes
from ..layout import Files, has_all
from .permissions import pack
from .rules import TRASH

GROUP = Group()


@GROUP.family(
    "Delete the file that {list} names.",
    "{list} has the name of a file. Get rid of that file.",
    "Read {list}: the file named there can go.",
    "Remove the file whose name stands in {list}.",
    "Look into {list} and throw away the file that it tells you.",
    "The file that is written down in {list} is no longer needed.",
    "In {list} you find a file name; do away with that file.",
    "Which file to clear away is said in {list}.",
)
def delete_named(draw: Draw) -> Made:
    """Delete a file that another file names."""
    names, list_ = draw.files(4), draw.file("md")
    gone = draw.one_of(names)
    files: Files = {**{name: draw.text(2) for name in names}, list_: f"{gone}\n", TRASH: ""}
    goal = becomes(files, {gone: None, f"{TRASH}{gone}": files[gone]})
    return Made({"list": list_}, files, goal, [f"cat {list_}", lambda printed: f"mv {printed.strip()} {TRASH}"])


@GROUP.family(
    "Move the largest file into {folder}.",
    "Put the biggest file in the folder {folder}.",
    "Find the file with the most bytes and file it away under {folder}.",
    "The largest of the files belongs in {folder}.",
    "One file is bigger than all others; it should lie in {folder}.",
    "Transfer whichever file is the largest to {folder}.",
    "See which file takes the most room, and move it to {folder}.",
    "{folder} is the place for the biggest file here.",
)
def move_largest(draw: Draw) -> Made:
    """Find the largest file and move it."""
    names, folder = draw.files(4, "bin"), draw.folder()
    sizes = draw.numbers(4, 5000, 9000)  # more than the folder itself has
    files: Files = {**{name: "x" * size for name, size in zip(names, sizes, strict=True)}, f"{folder}/": ""}
    largest = names[sizes.index(max(sizes))]
    goal = becomes(files, {largest: None, f"{folder}/{largest}": files[largest]})
    solution: list[Command] = ["ls -S *.bin | head -n 1", lambda printed: f"mv {printed.strip()} {folder}/"]
    return Made({"folder": folder}, files, goal, solution)


@GROUP.family(
    "Count the lines of {file} and write the number to {new}.",
    "Write how many lines {file} has into {new}.",
    "{new} should hold the number of lines in {file}, and nothing else.",
    "Save the line count of {file} as {new}.",
    "How long is {file}, in lines? Put the number in {new}.",
    "Find out the number of lines of {file} and store it in {new}.",
    "Make a file {new} that says how many lines there are in {file}.",
    "I need the number of lines of {file} in a file called {new}.",
)
def write_count(draw: Draw) -> Made:
    """Count lines and write the number down."""
    file, new, count = draw.file("log"), draw.file(), draw.number(12, 40)
    files: Files = {file: draw.text(count)}
    solution: list[Command] = [f"wc -l < {file}", lambda printed: f"echo {printed.strip()} > {new}"]
    return Made({"file": file, "new": new}, files, becomes(files, {new: f"{count}\n"}), solution)


@GROUP.family(
    "Do what {file} asks for.",
    "Follow the instruction in {file}.",
    "Read {file} and carry it out.",
    "{file} tells you what to do; do it.",
    "Your task stands in {file}.",
    "Look into {file}: what is written there should be done.",
    "Someone left a wish in {file}. Fulfil it.",
    "Act on the line in {file}.",
)
def follow_note(draw: Draw) -> Made:
    """Read an instruction and carry it out."""
    file, folder = "todo.txt", draw.folder()
    files: Files = {file: f"make a folder {folder}\n", draw.file(): draw.text()}
    solution: list[Command] = [f"cat {file}", lambda printed: f"mkdir {printed.split()[-1]}"]
    return Made({"file": file}, files, becomes(files, {f"{folder}/": ""}), solution)


@GROUP.family(
    "The script {file} has an error; mend it, so that it prints {word}.",
    "{file} should print {word}, but fails. Repair it.",
    "Running {file} ends with an error. Correct the script; it is meant to print {word}.",
    "Fix {file}: its output should be {word}.",
    "Find what is wrong in {file} and put it right. It has to print {word}.",
    "Debug the shell script {file} until it prints {word}.",
    "{file} is broken. Make it work again; {word} is what it prints then.",
    "Get {file} to run. A right {file} prints {word}.",
)
def mend_script(draw: Draw) -> Made:
    """Find an error in a script and correct it."""
    file, word = draw.file("sh"), draw.word()
    broken, mend = draw.one_of(
        (
            (f"if [ 1 = 1 ] then\n  echo {word}\nfi\n", "s/] then/]; then/"),
            (f"for i in 1; do\n  echo {word}\nend\n", "s/^end/done/"),
            (f"if [ 1 = 1]; then\n  echo {word}\nfi\n", "s/1]/1 ]/"),
            (f"if [ 1 = 1 ]; then\n  echo {word}\nif\n", "s/^if$/fi/"),
        )
    )
    files: Files = {file: f"#!/bin/bash\n{broken}", draw.file(): draw.text()}
    others = {path: text for path, text in files.items() if path != file}
    check = f'test "$(bash {file} 2>&1)" = {word}'

    def goal(moment: Moment) -> bool:
        return has_all(moment.tree, others) and moment.run(check) == 0

    return Made({"file": file, "word": word}, files, goal, [f"cat {file}", f"sed -i '{mend}' {file}"])


@GROUP.family(
    "Unpack {archive} and print the name of the file in it that has the word {word}.",
    "Which file in {archive} mentions {word}? Unpack it and print the name.",
    "Extract {archive} and find the file with {word} in it; print what it is called.",
    "Somewhere in {archive} stands the word {word}. Unpack, and name the file.",
    "Open {archive} here, search its files for {word}, and say which one has it.",
    "Take the files out of {archive}. In which one does {word} occur?",
    "{archive} is packed; unpack it, look for {word}, and print the file's name.",
    "Untar {archive}, then tell me the file that contains {word}.",
)
def search_archive(draw: Draw) -> Made:
    """Unpack an archive and find a word in it."""
    archive, folder, word, names = f"{draw.name()}.tar.gz", draw.folder(), draw.word(), draw.files(4)
    hit = draw.one_of(names)
    inside = {f"{folder}/{name}": draw.text() + f"{word}\n" * (name == hit) for name in names}
    files: Files = {archive: pack(inside), draw.file(): draw.text()}
    of_path, of_name = answers(files, f"{folder}/{hit}"), answers(files, hit)
    solution = [f"tar xzf {archive}", f"grep -rl {word} {folder}"]
    return Made({"archive": archive, "word": word}, files, lambda moment: of_path(moment) or of_name(moment), solution)


@GROUP.family(
    "Add up the lines of all .log files and note the number in notes.md.",
    "How many lines do the .log files have together? Note that in notes.md.",
    "Count the lines of the .log files in all, and make a note of the total in notes.md.",
    "The total number of lines in the .log files should be noted in notes.md.",
    "Put a note in notes.md: the lines of all .log files, added up.",
    "Find how many lines the logs have altogether. Add that as a note to notes.md.",
    "Take a note, in notes.md, of the sum of all lines in the .log files.",
    "notes.md needs a note that says how many lines all .log files have.",
)
def note_total(draw: Draw) -> Made:
    """Count lines of several files and note the number."""
    notes = as_text([f"- {word}" for word in draw.words(2)])
    counts = draw.numbers(2, 5, 20)
    logs = {name: draw.text(count) for name, count in zip(draw.files(2, "log"), counts, strict=True)}
    files: Files = {**logs, "notes.md": notes}
    goal = becomes(files, {"notes.md": f"{notes}- {sum(counts)}\n"})
    solution: list[Command] = ["cat *.log | wc -l", lambda printed: f'echo "- {printed.strip()}" >> notes.md']
    return Made({}, files, goal, solution)


@GROUP.family(
    "Find the line with {word} in {file} and put it at the top of {file}.",
    "The line of {file} that has {word} should be its first.",
    "Move the {word} line of {file} to the beginning of the file.",
    "In {file}, bring the line with {word} to the top; keep the others in order.",
    "Let {file} begin with its line about {word}. Nothing else changes.",
    "{word} comes too late in {file}: its line should stand first.",
    "Put the line that mentions {word} before all other lines of {file}.",
    "Reorder {file}: first the line with {word}, then the rest as it was.",
)
def line_to_top(draw: Draw) -> Made:
    """Move a line to the beginning of its file."""
    file, word, lines = draw.file(), draw.word(), draw.lines(6)
    number = draw.number(2, 5)
    lines[number] = f"{lines[number]} {word}"
    rest = [line for line in lines if word not in line]
    files: Files = {file: as_text(lines)}
    goal = becomes(files, {file: as_text([lines[number], *rest])})
    solution = [f"(grep {word} {file}; grep -v {word} {file}) > {file}.new", f"mv {file}.new {file}"]
    return Made({"file": file, "word": word}, files, goal, solution)
