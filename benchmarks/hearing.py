"""How many words of ten spoken computer tasks are heard wrong, and what a task costs.

    python benchmarks/hearing.py --voices slt rms kal

The voices are those of ``flite`` (Debian: apt-get install flite). A word counts as wrong by the word error rate: words to
insert, delete or replace over the words that were said. Times are CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from grokputer.domain.rules.confidence import propose_speech_issue
from grokputer.domain.settings.senses import AudioSettings
from grokputer.runners.environments.senses.local_listener import LocalListener

SENTENCES = (
    "open the file manager and create a folder called invoices",
    "delete the file report dot text",
    "save the document as letter and close the window",
    "set the volume to twenty percent",
    "search for flights to Berlin on Friday",
    "send an email to Anna with the subject holiday",
    "scroll down and click the second result",
    "replace Monday by Tuesday everywhere",
    "select the first three rows and press copy",
    "what is the total amount of the order",
)
SAME = {"20%": "twenty percent", ".text": " dot text", "e-mail": "email"}
"""Other ways to write what was said."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voices", nargs="+", default=["slt", "rms", "kal"])
    given = parser.parse_args()
    listener = LocalListener()
    least = AudioSettings().min_confidence
    with tempfile.TemporaryDirectory() as folder:
        listener.transcribe(speak(SENTENCES[0], given.voices[0], Path(folder)))
        for voice in given.voices:
            wrong, words, flagged, costs = 0, 0, [0, 0], []
            for sentence in SENTENCES:
                file = speak(sentence, voice, Path(folder))
                started = time.process_time()
                heard = listener.transcribe(file)
                costs.append(time.process_time() - started)
                errors = distance(normalise(sentence), normalise(heard.text))
                wrong, words = wrong + errors, words + len(normalise(sentence))
                flagged[errors > 0] += propose_speech_issue(heard.confidence, least)
                print(f"  {voice} {errors} {heard.confidence:.2f} {heard.text}")
            print(
                f"{voice}: word error {wrong / words:.3f}, CPU seconds median {statistics.median(costs):.2f}, doubtful: "
                f"{flagged[1]} with errors, {flagged[0]} without; load of the machine {os.getloadavg()[0]:.1f}",
                flush=True,
            )


def speak(sentence: str, voice: str, folder: Path) -> Path:
    """The sentence as a recording."""
    file = folder / f"{voice}-{SENTENCES.index(sentence)}.wav"
    subprocess.run(["flite", "-voice", voice, "-t", sentence, "-o", str(file)], check=True, capture_output=True)
    return file


def normalise(text: str) -> list[str]:
    text = text.lower()
    for written, said in SAME.items():
        text = text.replace(written, said)
    return re.sub(r"[^a-z ]", " ", text).split()


def distance(one: list[str], other: list[str]) -> int:
    """Words to insert, delete or replace (Levenshtein)."""
    before = list(range(len(other) + 1))
    for number, word in enumerate(one, 1):
        row = [number]
        for place, found in enumerate(other, 1):
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + (word != found)))
        before = row
    return before[-1]


if __name__ == "__main__":
    main()
