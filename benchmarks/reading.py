"""How many words of real windows are read right, what is flagged as doubtful, and what a window costs.

    python benchmarks/windows.py --out windows --count 60    # four minutes; needs a desktop's programs
    python benchmarks/reading.py --windows windows

The truth is the tree of AT-SPI. A word is right where the element's place has it, whole and with its case. Times are CPU
seconds of the whole process, so other work on the machine changes them little. One window is read before the count, to
start the engine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from grokputer.domain.page.line import write
from grokputer.domain.page.messages import Box
from grokputer.domain.page.reading import compare_lines
from grokputer.domain.page.words import Word, lay_out
from grokputer.domain.rules.confidence import find_doubt
from grokputer.runners.environments.senses.reader import Reader

LEAST = 0.85
CODE = re.compile(r"[ABCXYZ]\dl[OI01]\d")


class Counted(NamedTuple):
    """One window: words by kind and how many are right, doubts by whether the word is right, CPU seconds, and lines."""

    ordinary: int
    ordinary_right: int
    codes: int
    codes_right: int
    doubts: Counter[tuple[bool, str]]
    missed: list[str]
    cpu_s: float
    lines: tuple[int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=Path, required=True)
    given = parser.parse_args()
    files = sorted(given.windows.glob("*.png"))
    reader = Reader()
    started = time.process_time()
    reader.read(files[0].read_bytes(), Box(0, 0, 60, 60))
    print(
        f"engine: {time.process_time() - started:.1f} CPU seconds to start, load of the machine {os.getloadavg()[0]:.1f}"
    )
    counted = {file: count(reader, file) for file in files}
    report(list(counted.values()))
    for looks in ("dark", ""):
        report_look(counted, looks)
    report_cost(reader, files, list(counted.values()))


def count(reader: Reader, file: Path) -> Counted:
    """Read the window and compare it with its elements."""
    png, told = file.read_bytes(), json.loads(file.with_suffix(".json").read_text())
    started = time.process_time()
    words = reader.read(png)
    cpu_s = time.process_time() - started
    doubts, missed = Counter[tuple[bool, str]](), list[str]()
    seen, right = Counter[bool](), Counter[bool]()
    for element in told["elements"]:
        wanted = element["text"].split()
        there = [word for word in words if is_inside(word, element["box"])]
        left = Counter(word.text for word in there)
        for text in wanted:
            is_right, is_code = left[text] > 0, CODE.fullmatch(text) is not None
            left[text] -= is_right
            seen[is_code] += 1
            right[is_code] += is_right
            if not is_right and not is_code:
                missed.append(text)
        expected = Counter(wanted)
        for word in there:
            is_right = expected[word.text] > 0
            expected[word.text] -= is_right
            doubts[is_right, find_doubt(word.text, word.score, LEAST) or "none"] += 1
    lines = share_lines(told, lay_out(words).lines)
    return Counted(seen[False], right[False], seen[True], right[True], doubts, missed, cpu_s, lines)


def is_inside(word: Word, box: list[int]) -> bool:
    x, y = word.box.x + word.box.width / 2, word.box.y + word.box.height / 2
    return box[0] - 4 <= x <= box[0] + box[2] + 4 and box[1] - 3 <= y <= box[1] + box[3] + 3


def share_lines(told: dict[str, Any], lines: tuple[str, ...]) -> tuple[int, int]:
    """Lines of the elements' texts that are lines of the layout too, and all of them."""
    texts = [line for element in told["elements"] for line in element["text"].split("\n") if line.strip()]
    found = compare_lines([write(1, "text", text) for text in texts], lines, by_text=True)
    return found.right, found.expected


def report(counted: list[Counted]) -> None:
    ordinary, right = sum(it.ordinary for it in counted), sum(it.ordinary_right for it in counted)
    codes, codes_right = sum(it.codes for it in counted), sum(it.codes_right for it in counted)
    print(
        f"{len(counted)} windows: ordinary words {right}/{ordinary} = {right / ordinary:.1%}, codes {codes_right}/{codes}"
    )
    print(f"missed: {', '.join(text for it in counted for text in it.missed) or 'none'}")
    doubts = sum((it.doubts for it in counted), Counter[tuple[bool, str]]())
    for is_right in (False, True):
        all_words = sum(times for (right_too, _), times in doubts.items() if right_too == is_right)
        kinds = ", ".join(f"{kind} {doubts[is_right, kind]}" for kind in ("score", "look-alikes", "none"))
        print(f"words read {'right' if is_right else 'wrong'}: {all_words}, doubtful by {kinds}")
    lines = [sum(it.lines[part] for it in counted) for part in (0, 1)]
    print(f"lines of the tree that the layout has: {lines[0]}/{lines[1]} = {lines[0] / lines[1]:.1%}")


def report_look(counted: dict[Path, Counted], word: str) -> None:
    chosen = [
        it for file, it in counted.items() if ("dark" in file.with_suffix(".json").read_text()[:80]) == bool(word)
    ]
    if chosen:
        total = sum(it.ordinary for it in chosen)
        print(f"  {word or 'light'}: {sum(it.ordinary_right for it in chosen)}/{total} in {len(chosen)} windows")


def report_cost(reader: Reader, files: list[Path], counted: list[Counted]) -> None:
    middle = [it.cpu_s for it in counted if 40 <= it.ordinary + it.codes <= 60]
    everything = [it.cpu_s for it in counted]
    print(f"CPU seconds of a window: median {statistics.median(everything):.2f}, most {max(everything):.2f}")
    print(f"CPU seconds of a window of 40 to 60 words: median {statistics.median(middle):.2f} of {len(middle)}")
    before, started = reader.reads, time.process_time()
    for file in files:
        reader.read(file.read_bytes())
    again = (time.process_time() - started) / len(files)
    print(f"an unchanged window: {again * 1000:.2f} CPU milliseconds, {reader.reads - before} readings")


if __name__ == "__main__":
    main()
