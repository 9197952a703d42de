"""More questions: values in tables and settings, and what lies in folders."""

from __future__ import annotations

from ..draw import Draw, as_text
from ..family import Group, Made
from ..instance import answers
from ..layout import Files

GROUP = Group()


@GROUP.family(
    "What is the id of {person} in {file}? Print the number.",
    "Print the id that {file} has for {person}.",
    "Look up {person} in {file} and print the id.",
    "Which id belongs to {person}? It stands in {file}.",
    "Find the id of {person} in the table {file}.",
    "{file} lists people with their ids. Which one is that of {person}?",
    "Tell me the id of {person}, from {file}.",
    "I need the id of {person}; see {file}.",
)
def find_id(draw: Draw) -> Made:
    """Print the value beside a name in a table."""
    file, people = draw.file("csv"), draw.people(6)
    ids = dict(zip(people, draw.numbers(6, 100, 999), strict=True))
    person = draw.one_of(people)
    files: Files = {file: "name,id\n" + as_text([f"{name},{id}" for name, id in ids.items()])}
    command = f"grep '^{person},' {file} | cut -d, -f2"
    return Made({"person": person, "file": file}, files, answers(files, ids[person]), [command])


@GROUP.family(
    "How many .{ending} files are there, in all folders together? Print the number.",
    "Count the .{ending} files here and in the folders below.",
    "Print how many files end in .{ending}, folders included.",
    "What is the number of .{ending} files, however deep they lie?",
    "Count all files called something.{ending}, wherever they are.",
    "Tell me how many .{ending} files this folder and its folders have.",
    "I want to know the number of .{ending} files in the whole tree.",
    "Search all folders: how many .{ending} files are there?",
)
def count_files(draw: Draw) -> Made:
    """Print how many files of a kind there are in folders."""
    ending, other = draw.shuffled(("log", "md", "csv"))[:2]
    folders, count = ("", f"{draw.folder()}/", f"{draw.folder()}/"), draw.number(3, 6)
    files: Files = {f"{draw.one_of(folders)}{draw.file(ending)}": draw.text(2) for _ in range(count)}
    files = {**files, draw.file(other): draw.text(2), f"{folders[1]}{draw.file(other)}": draw.text(2)}
    return Made({"ending": ending}, files, answers(files, count), [f"find . -name '*.{ending}' | wc -l"])


@GROUP.family(
    "What is {key} set to in {file}? Print the value.",
    "Print the value of {key} from {file}.",
    "Look up the setting {key} in {file}.",
    "{file} has a line for {key}. Print its value.",
    "Which value does {file} give to {key}?",
    "Tell me the value of the key {key}; it stands in {file}.",
    "Read {key} from {file} and print it.",
    "I need to know {key}, as it is set in {file}.",
)
def read_setting(draw: Draw) -> Made:
    """Print the value of a key in a file of settings."""
    file, keys = draw.file("conf"), draw.words(5)
    values = dict(zip(keys, draw.numbers(5, 10, 99), strict=True))
    key = draw.one_of(keys)
    files: Files = {file: as_text([f"{name}={value}" for name, value in values.items()])}
    command = f"grep '^{key}=' {file} | cut -d= -f2"
    return Made({"key": key, "file": file}, files, answers(files, values[key]), [command])


@GROUP.family(
    "How many lines of {file} have the word {word}? Print the number.",
    "Count the lines of {file} that mention {word}.",
    "Print in how many lines of {file} the word {word} stands.",
    "On how many lines does {word} occur in {file}?",
    "Tell me how many lines of {file} contain {word}.",
    "Search {file} for {word} and print the number of lines that match.",
    "What is the count of lines with {word} in {file}?",
    "{word} stands in some lines of {file}. How many?",
)
def count_matches(draw: Draw) -> Made:
    """Print how many lines of a file have a word."""
    file, word, count = draw.file("log"), draw.word(), draw.number(2, 7)
    lines = draw.lines(12)
    lines[:count] = [f"{word} {line}" for line in lines[:count]]
    files: Files = {file: as_text(draw.shuffled(lines))}
    return Made({"file": file, "word": word}, files, answers(files, count), [f"grep -c {word} {file}"])


@GROUP.family(
    "What is the largest number in {file}? Print it.",
    "Print the greatest number of {file}.",
    "Find the highest value in {file}.",
    "{file} has one number a line. Which is the largest?",
    "Which number in {file} is bigger than all others?",
    "Tell me the maximum of the numbers in {file}.",
    "Show the highest of the numbers that {file} lists.",
    "Look through {file} and print its greatest number.",
)
def largest_number(draw: Draw) -> Made:
    """Print the largest number of a list."""
    file, numbers = draw.file(), draw.numbers(9, 10, 9999)
    files: Files = {file: as_text(numbers)}
    return Made({"file": file}, files, answers(files, max(numbers)), [f"sort -n {file} | tail -n 1"])


@GROUP.family(
    "What stands in line {number} of {file}? Print the word.",
    "Print line {number} of {file}.",
    "Show me the line with the number {number} in {file}.",
    "Which word is on line {number} of {file}?",
    "Take {file} and print its line {number} alone.",
    "Tell me what line {number} of {file} says.",
    "I want to see only line {number} of the file {file}.",
    "{file} has a word a line. Print the word of line {number}.",
)
def print_line(draw: Draw) -> Made:
    """Print one line of a file."""
    file, words, number = draw.file(), draw.words(9), draw.number(2, 8)
    files: Files = {file: as_text(words)}
    command = f"sed -n {number}p {file}"
    return Made({"file": file, "number": number}, files, answers(files, words[number - 1]), [command])
