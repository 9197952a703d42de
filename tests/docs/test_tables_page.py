"""The page on the SQL tables: it names exactly those that there are, and its answers are what its questions give."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from places import ROOT

from grokputer.projections.tables.tables import TABLES

PAGE = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
TYPES = {str: "TEXT", int: "INTEGER", float: "REAL"}
QUESTIONS = re.findall(r"([^\n]+)\n\n```sql\n(.*?)```\n\n((?:\|[^\n]*\n)+)", PAGE, re.DOTALL)
DESCRIBED = {
    table: re.findall(r"^\| `(\w+)` \| (\w+) \| \S", text, re.MULTILINE)
    for table, text in re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}


def ask(log: Path, question: str) -> str:
    """The answer as a table of Markdown."""
    with closing(sqlite3.connect(f"file:{log}?mode=ro", uri=True)) as connection:
        cursor = connection.execute(question)
        rows = [[column[0] for column in cursor.description], ["---"] * len(cursor.description), *cursor.fetchall()]
    return "".join(f"| {' | '.join('' if it is None else str(it) for it in row)} |\n" for row in rows)


def test_the_page_describes_the_tables_that_there_are_column_by_column(log: Path) -> None:
    there = {table: [(column, TYPES[kind]) for column, kind in columns.items()] for table, columns in TABLES.items()}
    assert there == DESCRIBED
    with closing(sqlite3.connect(log)) as connection:
        for table, columns in DESCRIBED.items():
            found = [(row[1], row[2]) for row in connection.execute(f"PRAGMA table_info({table})")]
            assert sorted(found) == sorted(columns)


@pytest.mark.parametrize(("words", "question", "answer"), QUESTIONS, ids=[it[0] for it in QUESTIONS])
def test_each_answer_of_the_page_is_what_its_question_gives(log: Path, words: str, question: str, answer: str) -> None:
    assert ask(log, question) == answer


def test_there_are_questions_and_every_table_is_asked() -> None:
    assert len(QUESTIONS) == PAGE.count("```sql") >= 6
    asked = set(re.findall(r"(?:FROM|JOIN) (\w+)", " ".join(question for _, question, _ in QUESTIONS)))
    assert asked >= TABLES.keys() - {"comparisons", "grades", "services"}


def test_the_readme_leads_to_the_page() -> None:
    assert "(docs/tables.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
