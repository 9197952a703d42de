"""Texts that are written, joined, sorted and cut by one command."""

from __future__ import annotations

from ..draw import Draw, as_text
from ..family import Group, Made
from ..instance import becomes
from ..layout import Files

GROUP = Group()


@GROUP.family(
    "Write {word} into {file}.",
    "Save the word {word} in a new file {file}.",
    "Put the text {word} in {file}.",
    "{file} should say {word}.",
    "Make a file {file} with the one word {word} in it.",
    "Store {word} as the content of {file}.",
    "I want a file called {file} that reads {word}.",
    "New file {file}; its text is {word}.",
)
def write_word(draw: Draw) -> Made:
    """Write a word to a new file."""
    word, file, files = draw.word(), draw.file(), {draw.file(): draw.text()}
    goal = becomes(files, {file: f"{word}\n"})
    return Made({"word": word, "file": file}, files, goal, [f"echo {word} > {file}"])


@GROUP.family(
    "Add a line {word} to {file}.",
    "Append {word} to {file}.",
    "Put {word} at the end of {file}.",
    "{file} needs one more line: {word}.",
    "Write {word} below the last line of {file}.",
    "Let {file} end with a further line, {word}.",
    "Extend {file} by the line {word}.",
    "The last line of {file} should be {word}; add it.",
)
def append_line(draw: Draw) -> Made:
    """Append a line to a file."""
    word, file = draw.word(), draw.file()
    files = {file: draw.text(), draw.file(): draw.text()}
    goal = becomes(files, {file: f"{files[file]}{word}\n"})
    return Made({"word": word, "file": file}, files, goal, [f"echo {word} >> {file}"])


@GROUP.family(
    "Join {first} and {second} into {new}.",
    "Merge {first} and {second} as {new}, in this order.",
    "Combine {first} with {second} in {new}.",
    "Make {new} out of {first} followed by {second}.",
    "{new} should hold all of {first} and then all of {second}.",
    "Write {first} and after it {second} to {new}.",
    "Put the texts of {first} and {second} together in {new}.",
    "Concatenate {first} and {second}; the result is {new}.",
)
def join_files(draw: Draw) -> Made:
    """Write two files into a third."""
    first, second, new = draw.files(3)
    files = {first: draw.text(), second: draw.text()}
    goal = becomes(files, {new: files[first] + files[second]})
    return Made({"first": first, "second": second, "new": new}, files, goal, [f"cat {first} {second} > {new}"])


@GROUP.family(
    "Sort the lines of {file} into {new}.",
    "Save a sorted version of {file} as {new}.",
    "Order the lines of {file} by the alphabet and store them in {new}.",
    "{new} should hold the lines of {file}, sorted.",
    "Write the lines of {file} in alphabetical order to {new}.",
    "Make {new}: {file}, but from A to Z.",
    "Bring the lines of {file} into order; the result goes to {new}.",
    "I want {file} sorted, in a file called {new}.",
)
def sort_lines(draw: Draw) -> Made:
    """Write a file's lines in order to another."""
    file, new = draw.files(2)
    words = draw.shuffled(draw.words(7))
    files: Files = {file: as_text(words)}
    goal = becomes(files, {new: as_text(sorted(words))})
    return Made({"file": file, "new": new}, files, goal, [f"sort {file} > {new}"])


@GROUP.family(
    "Write each word of {file} once, in order of the alphabet, to {new}.",
    "Save the sorted words of {file} without repeats as {new}.",
    "{new} should list every word of {file} a single time, sorted.",
    "Sort {file} and leave out repeated lines; store that in {new}.",
    "Make {new} the alphabetical list of the different words in {file}.",
    "Take {file}, drop double lines, sort the rest into {new}.",
    "I want the distinct words of {file} from A to Z in {new}.",
    "No word twice and all in order: make {new} from {file} so.",
)
def sort_unique(draw: Draw) -> Made:
    """Write a file's different lines in order to another."""
    file, new = draw.files(2)
    words = draw.words(5)
    listed = draw.shuffled(words + [draw.one_of(words) for _ in range(5)])
    files: Files = {file: as_text(listed)}
    goal = becomes(files, {new: as_text(sorted(words))})
    return Made({"file": file, "new": new}, files, goal, [f"sort -u {file} > {new}"])


@GROUP.family(
    "Save the first {count} lines of {file} as {new}.",
    "Put the top {count} lines of {file} in {new}.",
    "Take the first {count} lines of {file} and store them in {new}.",
    "{new} should be the first {count} lines of {file}.",
    "Write the beginning of {file}, {count} lines, to {new}.",
    "Copy {count} lines from the start of {file} to {new}.",
    "Make {new} of the uppermost {count} lines of {file}.",
    "I need lines 1 to {count} of {file} in a file {new}.",
)
def first_lines(draw: Draw) -> Made:
    """Write the first lines of a file to another."""
    file, new, count, lines = draw.file("log"), draw.file(), draw.number(2, 6), draw.lines(9)
    files: Files = {file: as_text(lines)}
    goal = becomes(files, {new: as_text(lines[:count])})
    return Made({"file": file, "new": new, "count": count}, files, goal, [f"head -n {count} {file} > {new}"])


@GROUP.family(
    "Save the last {count} lines of {file} as {new}.",
    "Put the bottom {count} lines of {file} in {new}.",
    "Take the final {count} lines of {file} and store them in {new}.",
    "{new} should be the last {count} lines of {file}.",
    "Write the end of {file}, {count} lines, to {new}.",
    "Copy {count} lines from the end of {file} to {new}.",
    "Make {new} of the lowest {count} lines of {file}.",
    "The newest {count} lines stand at the end of {file}; I need them in {new}.",
)
def last_lines(draw: Draw) -> Made:
    """Write the last lines of a file to another."""
    file, new, count, lines = draw.file("log"), draw.file(), draw.number(2, 6), draw.lines(9)
    files: Files = {file: as_text(lines)}
    goal = becomes(files, {new: as_text(lines[-count:])})
    return Made({"file": file, "new": new, "count": count}, files, goal, [f"tail -n {count} {file} > {new}"])


@GROUP.family(
    "Save the lines of {file} with {word} as {new}.",
    "Find the lines with {word} in {file} and put them in {new}.",
    "Store each line of {file} that has {word} in {new}.",
    "{new} should hold the lines of {file} that mention {word}.",
    "Keep of {file} what speaks of {word}, and write it to {new}.",
    "Filter {file} by the word {word}; the result is {new}.",
    "Copy all lines of {file} in which {word} occurs to {new}.",
    "I want only the {word} lines of {file}, in {new}.",
)
def keep_lines(draw: Draw) -> Made:
    """Write the lines of a file that have a word to another."""
    file, new, word, lines = draw.file("log"), draw.file(), draw.word(), draw.lines(9)
    for number in draw.numbers(3, 0, 8):
        lines[number] = f"{lines[number]} {word}"
    files: Files = {file: as_text(lines)}
    goal = becomes(files, {new: as_text([line for line in lines if word in line])})
    return Made({"file": file, "new": new, "word": word}, files, goal, [f"grep {word} {file} > {new}"])


@GROUP.family(
    "Replace {old} by {new} everywhere in {file}.",
    "Change every {old} in {file} to {new}.",
    "In {file}, write {new} instead of {old}.",
    "{file} says {old}; it should say {new} each time.",
    "Swap the word {old} for {new} throughout {file}.",
    "Put {new} in place of {old} in the file {file}.",
    "Edit {file}: no {old} any more, but {new}.",
    "Turn all {old} of {file} into {new}.",
)
def replace_word(draw: Draw) -> Made:
    """Replace a word in a file."""
    file, old, new = draw.file(), draw.word(), draw.word()
    text = as_text(draw.shuffled([*draw.lines(4), f"{old} and {old}", f"one {old}"]))
    files = {file: text, draw.file(): draw.text()}
    goal = becomes(files, {file: text.replace(old, new)})
    return Made({"file": file, "old": old, "new": new}, files, goal, [f"sed -i s/{old}/{new}/g {file}"])


@GROUP.family(
    "Write {file} in capital letters to {new}.",
    "Save {file} in upper case as {new}.",
    "{new} should be {file} with all letters capital.",
    "Make an upper-case version of {file}, called {new}.",
    "Turn the letters of {file} into capitals; the result goes to {new}.",
    "I want {file} all in capitals, in {new}.",
    "Convert {file} to upper case and store it in {new}.",
    "Copy {file} to {new}, but with big letters only.",
)
def upper_case(draw: Draw) -> Made:
    """Write a text in capital letters to another file."""
    file, new = draw.files(2)
    files = {file: draw.text()}
    goal = becomes(files, {new: files[file].upper()})
    return Made({"file": file, "new": new}, files, goal, [f"tr a-z A-Z < {file} > {new}"])


@GROUP.family(
    "Save the column {column} of {file} as {new}.",
    "Write the {column} of each row of {file} to {new}, heading included.",
    "Take the column {column} out of the table {file} into {new}.",
    "{new} should be the {column} column of {file}.",
    "Cut {file} down to its column {column}; store that in {new}.",
    "I need only the column {column} of {file}, in a file {new}.",
    "Copy what stands under {column} in {file}, with the heading, to {new}.",
    "Make {new} of the column {column} in {file}.",
)
def take_column(draw: Draw) -> Made:
    """Write one column of a table to a file."""
    file, new, columns = draw.file("csv"), draw.file(), ("name", "city", "year")
    rows = [(draw.person(), draw.word(), str(draw.number(1990, 2020))) for _ in range(4)]
    number = draw.number(1, 3)
    files: Files = {file: as_text([",".join(row) for row in (columns, *rows)])}
    goal = becomes(files, {new: as_text([row[number - 1] for row in (columns, *rows)])})
    values: dict[str, object] = {"column": columns[number - 1], "file": file, "new": new}
    return Made(values, files, goal, [f"cut -d, -f{number} {file} > {new}"])
