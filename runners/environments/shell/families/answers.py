"""Questions about files whose answer one command prints."""

from __future__ import annotations

from ..draw import Draw, as_text
from ..family import Group, Made
from ..instance import answers
from ..layout import Files

GROUP = Group()


@GROUP.family(
    "How many lines has {file}? Print the number.",
    "Print the line count of {file}.",
    "Count the lines in {file}.",
    "Tell me how long {file} is, in lines.",
    "What is the number of lines of {file}?",
    "Show how many rows the file {file} consists of.",
    "I want to know how many lines {file} holds.",
    "{file}: number of lines, please.",
)
def count_lines(draw: Draw) -> Made:
    """Print how many lines a file has."""
    file, count = draw.file("log"), draw.number(12, 60)
    files = {file: draw.text(count), draw.file(): draw.text(3)}
    return Made({"file": file}, files, answers(files, count), [f"wc -l < {file}"])


@GROUP.family(
    "Which text file mentions {word}? Print its name.",
    "Find the .txt file with the word {word} in it.",
    "Print the name of the text file that contains {word}.",
    "In which .txt file does {word} occur?",
    "One of the text files has {word} in it. Which?",
    "Search the text files for {word} and name the one that has it.",
    "Where is the word {word}? Name the text file.",
    "Look for {word}: what is the text file called that it stands in?",
)
def find_word(draw: Draw) -> Made:
    """Print the name of the one file that has a word."""
    word, names = draw.word(), draw.files(4)
    files = {name: draw.text() for name in names}
    hit = draw.one_of(names)
    files[hit] += f"{word}\n"
    return Made({"word": word}, files, answers(files, hit), [f"grep -l {word} *.txt"])


@GROUP.family(
    "Which file is the largest? Print its name.",
    "Print the name of the biggest file.",
    "Name the file with the most bytes.",
    "Find the largest file here.",
    "What is the biggest file in this folder called?",
    "One file takes more room than all others. Print its name.",
    "Tell me which file is the largest of all.",
    "Show me the name of the file of greatest size.",
)
def largest_file(draw: Draw) -> Made:
    """Print the name of the largest file."""
    names = draw.files(4, "bin")
    files = {name: "x" * size for name, size in zip(names, draw.numbers(4, 100, 4000), strict=True)}
    return Made({}, files, answers(files, max(names, key=lambda name: len(files[name]))), ["ls -S | head -n 1"])


@GROUP.family(
    "Which file is the smallest? Print its name.",
    "Print the name of the file with the fewest bytes.",
    "Name the smallest file here.",
    "Find the file that takes the least room.",
    "What is the smallest file in this folder called?",
    "Tell me which file is the shortest of all, in bytes.",
    "Show me the name of the file of least size.",
    "One file is smaller than all others. Which?",
)
def smallest_file(draw: Draw) -> Made:
    """Print the name of the smallest file."""
    names = draw.files(4, "bin")
    files = {name: "x" * size for name, size in zip(names, draw.numbers(4, 100, 4000), strict=True)}
    return Made({}, files, answers(files, min(names, key=lambda name: len(files[name]))), ["ls -Sr | head -n 1"])


@GROUP.family(
    "What is the sum of the amounts in {file}? Print the number.",
    "Add up the column amount of {file}.",
    "Print the total of all amounts in {file}.",
    "How much do the amounts in {file} come to?",
    "Sum up {file}: what is the total amount?",
    "Tell me what all amounts of {file} make together.",
    "Calculate the sum of the second column of {file}.",
    "{file} lists amounts. What is their total?",
)
def sum_amounts(draw: Draw) -> Made:
    """Print the sum of a column of a table."""
    file = draw.file("csv")
    rows = [(draw.one_of(("tea", "bread", "salt", "rice")), draw.number(1, 90)) for _ in range(draw.number(5, 9))]
    files: Files = {file: "name,amount\n" + as_text([f"{name},{amount}" for name, amount in rows])}
    total = sum(amount for _, amount in rows)
    return Made({"file": file}, files, answers(files, total), [f"awk -F, 'NR>1{{s+=$2}}END{{print s}}' {file}"])


@GROUP.family(
    "Which word is the most frequent in {file}? Print it.",
    "Print the word that occurs most often in {file}.",
    "Find the commonest word of {file}.",
    "One word of {file} comes more often than any other. Which?",
    "What word does {file} have most often?",
    "Name the most common word in {file}.",
    "Tell me which word is repeated most in {file}.",
    "Look through {file} and print its most frequent word.",
)
def most_common_word(draw: Draw) -> Made:
    """Print the word that a list has most often."""
    file, (first, *others) = draw.file(), draw.words(5)
    words = [first] * 6 + [other for other in others for _ in range(draw.number(1, 4))]
    files = {file: as_text(draw.shuffled(words))}
    command = f"sort {file} | uniq -c | sort -rn | awk 'NR==1{{print $2}}'"
    return Made({"file": file}, files, answers(files, first), [command])
