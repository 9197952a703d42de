"""Tasks of several commands that can be written down at once, because the request says all."""

from __future__ import annotations

from ..draw import Draw, as_text
from ..family import Group, Made
from ..instance import Moment, becomes
from ..layout import File, Files, Matching, has_all
from .permissions import pack, unpack
from .rules import TRASH

GROUP = Group()


@GROUP.family(
    "Move all .log files into a new folder {folder}.",
    "Make a folder {folder} and put every .log file in it.",
    "Create {folder}; all files that end in .log belong there.",
    "The .log files should lie in a folder {folder}, which is not there yet.",
    "Collect the .log files in a new directory {folder}.",
    "File every .log away under {folder}; make that folder first.",
    "Clear the .log files from here: they go to {folder}, a new folder.",
    "I want a new folder {folder} with all .log files moved to it.",
)
def move_logs(draw: Draw) -> Made:
    """Make a folder and move files of a kind there."""
    folder, logs = draw.folder(), draw.files(draw.number(2, 3), "log")
    files: Files = {**{name: draw.text(2) for name in logs}, draw.file(): draw.text()}
    goal = becomes(files, {**dict.fromkeys(logs), **{f"{folder}/{name}": files[name] for name in logs}})
    return Made({"folder": folder}, files, goal, [f"mkdir {folder}", f"mv *.log {folder}/"])


@GROUP.family(
    "Back up {file}, then replace {old} by {new} in it.",
    "Make a backup of {file} and after that change every {old} in it to {new}.",
    "In {file}, write {new} instead of {old}; but back it up before.",
    "First keep a safe copy of {file}, then put {new} in place of {old} there.",
    "Edit {file}: {new} for each {old}. Have a backup of it from before.",
    "{file} should say {new} where it says {old}. Back it up first.",
    "Save {file} against loss, and then turn all {old} of it into {new}.",
    "With a backup made, swap the word {old} for {new} throughout {file}.",
)
def back_up_and_edit(draw: Draw) -> Made:
    """Back a file up and change it."""
    file, old, new = draw.file(), draw.word(), draw.word()
    text = as_text(draw.shuffled([*draw.lines(4), f"{old} and {old}"]))
    files: Files = {file: text, draw.file(): draw.text()}
    goal = becomes(files, {file: text.replace(old, new), f"{file}.bak": text})
    values: dict[str, object] = {"file": file, "old": old, "new": new}
    return Made(values, files, goal, [f"cp {file} {file}.bak", f"sed -i s/{old}/{new}/g {file}"])


@GROUP.family(
    "Make a folder {first} for the .txt files and a folder {second} for the .csv files, and move them there.",
    "Sort the files: .txt into a new folder {first}, .csv into a new folder {second}.",
    "Create {first} and {second}. Put the .txt files in the first, the .csv files in the second.",
    "All .txt files belong in {first} and all .csv files in {second}; neither folder is there yet.",
    "Tidy up: {first} gets every .txt file and {second} every .csv file. Make both folders.",
    "I want two new folders, {first} with the .txt files and {second} with the .csv files.",
    "Separate the files by kind: .txt to {first}, .csv to {second}, both of them new.",
    "Let there be a folder {first} that takes the .txt files and a folder {second} that takes the .csv files.",
)
def sort_into_folders(draw: Draw) -> Made:
    """Sort files into two new folders by their kind."""
    first, second = draw.folder(), draw.folder()
    texts, tables = draw.files(2, "txt"), draw.files(2, "csv")
    files: Files = {name: draw.text(2) for name in (*texts, *tables)}
    moved = {
        **{f"{first}/{name}": files[name] for name in texts},
        **{f"{second}/{name}": files[name] for name in tables},
    }
    goal = becomes(files, {**dict.fromkeys(files), **moved})
    solution = [f"mkdir {first} {second}", f"mv *.txt {first}/", f"mv *.csv {second}/"]
    return Made({"first": first, "second": second}, files, goal, solution)


@GROUP.family(
    "Pack the folder {folder} into {folder}.tar.gz, then delete the folder.",
    "Make an archive {folder}.tar.gz of {folder} and get rid of the folder.",
    "Compress {folder} to {folder}.tar.gz; the folder itself can go.",
    "I no longer need the folder {folder} itself, only packed, as {folder}.tar.gz.",
    "Archive {folder} as {folder}.tar.gz and throw the folder away.",
    "Put {folder} into {folder}.tar.gz and remove the folder afterwards.",
    "Create {folder}.tar.gz from {folder}; after that, delete {folder}.",
    "Let {folder}.tar.gz take the place of {folder}: pack it, and do away with it.",
)
def pack_and_delete(draw: Draw) -> Made:
    """Pack a folder and delete it."""
    folder = draw.folder()
    inside = {f"{folder}/{name}": draw.text() for name in draw.files(2)}
    files: Files = {**inside, draw.file(): draw.text(), TRASH: ""}
    gone = {f"{TRASH}{path}": text for path, text in inside.items()}
    packed = {f"{folder}.tar.gz": Matching(lambda archive: unpack(archive) == inside)}
    goal = becomes(files, {f"{folder}/": None, **gone, **packed})
    solution = [f"tar czf {folder}.tar.gz {folder}", f"mv {folder} {TRASH}"]
    return Made({"folder": folder}, files, goal, solution)


@GROUP.family(
    "Swap the names of {first} and {second}.",
    "Let {first} and {second} exchange their names.",
    "{first} should be called {second}, and {second} should be called {first}.",
    "What is in {first} belongs in {second}, and the other way round.",
    "Exchange the contents of {first} and {second}.",
    "I mixed up {first} and {second}; put each under the other's name.",
    "Give {first} the name of {second}, and {second} that of {first}.",
    "Trade places: {first} becomes {second} and {second} becomes {first}.",
)
def swap_names(draw: Draw) -> Made:
    """Exchange the names of two files."""
    first, second = draw.files(2)
    files = {first: draw.text(), second: draw.text(), draw.file(): draw.text()}
    goal = becomes(files, {first: files[second], second: files[first]})
    solution = [f"mv {first} {first}.new", f"mv {second} {first}", f"mv {first}.new {second}"]
    return Made({"first": first, "second": second}, files, goal, solution)


@GROUP.family(
    "Make a folder {folder} with the folders src and tests in it, and an empty file README.md in {folder}.",
    "Set up a project {folder}: folders src and tests, and a blank README.md.",
    "Create {folder}/src, {folder}/tests and an empty {folder}/README.md.",
    "I start a project called {folder}; it needs src, tests and a README.md without text.",
    "New project {folder}, please: two folders, src and tests, and README.md, still empty.",
    "Prepare {folder} for a program: inside it src, tests and an empty file README.md.",
    "In a new folder {folder} there should be folders src and tests, and README.md with nothing in it.",
    "Lay out the project {folder}, with src, with tests, and with an empty README.md.",
)
def start_project(draw: Draw) -> Made:
    """Make nested folders and a file."""
    folder = draw.name()
    files: Files = {draw.file(): draw.text()}
    goal = becomes(files, {f"{folder}/src/": "", f"{folder}/tests/": "", f"{folder}/README.md": ""})
    solution = [f"mkdir -p {folder}/src {folder}/tests", f"touch {folder}/README.md"]
    return Made({"folder": folder}, files, goal, solution)


@GROUP.family(
    "Write a script {file} that prints {word}, and make it executable for everybody.",
    "Make a program {file} in shell that prints {word}; all may run it.",
    "I want a shell script {file}, which everybody can execute. It prints {word}.",
    "Create {file}, a script that says {word}, and let anyone run it.",
    "{file} should be a shell script, executable for all, whose output is {word}.",
    "Put a script named {file} here: it prints {word} and everybody has the right to execute it.",
    "Write {file} so that running it prints {word}, with the right to run it for all.",
    "Everyone should be able to start {file}, a shell script to be written; {word} is what it prints.",
)
def write_script(draw: Draw) -> Made:
    """Write a script and let all execute it."""
    file, word = draw.file("sh"), draw.word()
    files: Files = {draw.file(): draw.text()}
    solution = [f"echo 'echo {word}' > {file}", f"chmod 755 {file}"]
    check = f'test "$(sh {file})" = {word}'

    def goal(moment: Moment) -> bool:
        entry = moment.tree.entries.get(file)
        can_all_run = entry is not None and entry.kind == "file" and entry.mode & 0o555 == 0o555
        return can_all_run and has_all(moment.tree, files) and moment.run(check) == 0

    return Made({"file": file, "word": word}, files, goal, solution)


@GROUP.family(
    "Collect the lines with {word} of all .log files in {new}, sorted.",
    "Take every line that has {word} from the .log files, and put them in order into {new}.",
    "{new} should hold the lines of the .log files that mention {word}, in alphabetical order.",
    "Search all .log files for {word}; the lines go to {new}, from A to Z.",
    "Write to {new} what the .log files say of {word}, line by line, sorted.",
    "Gather the {word} lines of the logs in a file {new}, and sort that file.",
    "I need one sorted file {new} of all lines in the .log files with {word}.",
    "From the .log files, copy the lines in which {word} occurs to {new}; then sort it.",
)
def collect_lines(draw: Draw) -> Made:
    """Gather lines of several files, in order."""
    word, new, logs = draw.word(), draw.file(), draw.files(2, "log")
    chosen = [f"{other} {word}" for other in draw.words(4)]
    files: Files = {
        name: as_text(draw.shuffled([*draw.lines(3), *part]))
        for name, part in zip(logs, (chosen[:2], chosen[2:]), strict=True)
    }
    goal = becomes(files, {new: as_text(sorted(chosen))})
    return Made({"word": word, "new": new}, files, goal, [f"grep -h {word} *.log > {new}", f"sort -o {new} {new}"])


@GROUP.family(
    "Copy the folder {folder} to {new} and make the files in {new} read-only for everybody.",
    "Make a copy of {folder} called {new}, whose files nobody may write and all may read.",
    "I want {folder} a second time, as {new}, with its files locked: all may read, none may write.",
    "Duplicate {folder} as {new}. In {new} each file should only be readable, by anyone.",
    "{new} should be the same as {folder}, but its files can be read by all and written by none.",
    "Reproduce {folder} under the name {new}, then protect the files of {new} from changes by anybody.",
    "Keep {folder}, and beside it {new} with the same files, in which everybody reads and nobody writes.",
    "Take {folder}, copy all of it to {new}, and allow only reading, by everyone, of the files there.",
)
def copy_and_lock(draw: Draw) -> Made:
    """Copy a folder and make the copy's files read-only."""
    folder, new, names = draw.folder(), draw.folder(), draw.files(2)
    files = {f"{folder}/{name}": draw.text() for name in names}
    goal = becomes(files, {f"{new}/{name}": File(files[f"{folder}/{name}"], 0o444) for name in names})
    return Made({"folder": folder, "new": new}, files, goal, [f"cp -r {folder} {new}", f"chmod 444 {new}/*"])


@GROUP.family(
    "Unpack {archive}, then delete it.",
    "Extract {archive} here and get rid of it.",
    "Take all files out of {archive}; the archive itself can go.",
    "I need what is inside {archive}, and {archive} no longer.",
    "Open {archive}, put out what is in it, and throw it away.",
    "Let the contents of {archive} lie here in its place; remove the archive.",
    "{archive} is packed. Unpack it in place and do away with it.",
    "Untar {archive} and clear it out of the way.",
)
def unpack_and_delete(draw: Draw) -> Made:
    """Unpack an archive and delete it."""
    archive, folder = f"{draw.name()}.tar.gz", draw.folder()
    inside = {f"{folder}/{name}": draw.text() for name in draw.files(2)}
    files: Files = {archive: pack(inside), draw.file(): draw.text(), TRASH: ""}
    goal = becomes(files, {**inside, archive: None, f"{TRASH}{archive}": files[archive]})
    return Made({"archive": archive}, files, goal, [f"tar xzf {archive}", f"mv {archive} {TRASH}"])
