"""Datasets: what the next training would learn, its export to a file, and examples from outside."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ....domain.errors import NotPossible
from ....domain.page.media import shorten_marks
from ....domain.page.tools import show_answer
from ....domain.settings.settings import ROLES, Policy, resolve_recipe
from ....projections.wording.sentences import count as count_noun
from ....projections.wording.sentences import short_id
from ..hints import suggest
from ..options import (
    DEFAULT_DB,
    Actor,
    AsJson,
    Db,
    Role,
    folder_of,
    is_for_subcommand,
    name_actor,
    open_ledger,
    open_log,
)
from ..rendering import Column, print_json, print_line, print_table, print_text, say

if TYPE_CHECKING:
    from ....adapters.data.dataset import Dataset
    from ....adapters.data.examples import Example
    from ....adapters.data.imports.public_set import PublicSet
    from ....projections.state.state import State
    from ...store.log import Log

dataset = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)

ForRole = Annotated[Role, typer.Option("--role", help="The role whose trainings use it.")]

SHOWN_LINES = 12
"""Last lines of a prompt that a preview shows: the page's end and the task are nearest to the answer; chosen."""


@dataset.callback()
def list_datasets(context: typer.Context, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show for each role what the next training would learn; see it, export it, or add to it.

    \b
    Examples:
      grokputer dataset
      grokputer dataset import alpaca.jsonl --role action --limit 500
    """
    if is_for_subcommand(context):
        return
    log = open_log(db)
    rows = []
    for role in ROLES:
        built, state = _build(log, role)
        rows.append(_document(built, role, state.policy))
    if as_json:
        print_json(rows)
        return
    columns = ("role", "examples", "lessons", "needed", Column("runs", rank=1), Column("held out", rank=1))
    shown = ("role", "examples", "lessons", "minimum", "runs")
    print_table(columns, ([*(row[name] for name in shown), sum(row["held_out"].values())] for row in rows))
    ready = next((row["role"] for row in rows if row["lessons"] >= row["minimum"]), None)
    suggest(f"train {ready} --dry-run" if ready else "runs --failed --unrated", db)


@dataset.command()
def preview(
    role: ForRole = "action",
    source: Annotated[str | None, typer.Option(help="Show examples of this source only.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Examples shown.")] = 3,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Show the dataset that a training requested now would use, before retries and a teacher add to it.

    \b
    Examples:
      grokputer dataset preview --source correction --limit 10
      grokputer dataset preview --role ocr --json
    """
    built, state = _build(open_log(db), role)
    chosen = [example for example in built.examples if source in (None, example.source)]
    if source is not None and not chosen:
        there = ", ".join(sorted(built.by_source)) or "none"
        raise NotPossible(f"no example of the dataset has source {source!r}; its sources: {there}")
    if as_json:
        print_json(_document(built, role, state.policy) | {"shown": [example.to_json() for example in chosen[:limit]]})
        return
    _print_counts(built, role, state.policy)
    for example in chosen[:limit]:
        _print_example(example)


@dataset.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; the file must not exist.")],
    role: ForRole = "action",
    form: Annotated[
        Literal["examples", "alpaca"], typer.Option(help="'examples': all of each; 'alpaca': targets as instructions.")
    ] = "examples",
    db: Db = DEFAULT_DB,
) -> None:
    """Write the dataset of the next training to a file, and its manifest beside it.

    The end of the name gives the format: .jsonl, .json, .parquet or .toon (Token-Oriented Object Notation), and with .gz after
    it the file is compressed. The manifest's hash is that of the dataset as JSON Lines.

    \b
    Examples:
      grokputer dataset export action.jsonl
      grokputer dataset export action.parquet --form alpaca
    """
    from ....adapters.data.exports import check_name, write_set
    from ....adapters.registry.files import require_new

    check_name(file)
    manifest = file.with_suffix(".manifest.json")
    for path in (file, manifest):
        require_new(path)
    built, _ = _build(open_log(db), role)
    if not built.examples:
        raise NotPossible(f"role {role} has no examples yet; correct some failed runs with 'grokputer correct'")
    with folder_of(file):
        written = write_set(file, built.examples, form)
        manifest.write_text(built.manifest() + "\n", encoding="utf-8")
    print_line(f"wrote {count_noun(written, 'example')} to {file} and the manifest to {manifest}")


@dataset.command("import")
def import_(
    path: Annotated[
        str, typer.Argument(metavar="FILE|PATH", help="A file, a folder, or owner/name on the Hugging Face Hub.")
    ],
    role: ForRole = "action",
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many examples, the first ones.")] = None,
    license: Annotated[
        str | None,
        typer.Option("--license", "--licence", help="Its license; default: the one that the set names."),
    ] = None,
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Add a public set: Alpaca, Dolly, ShareGPT, chat messages, prompt and completion, preferences, KTO, pictures, or ours.

    A file ends with .jsonl, .json, .csv, .tsv, .parquet, .arrow or .toon, or one of these and .gz. Rows that cannot be used are
    left out and counted by reason. Pictures are read from the parts of messages, and from a folder whose metadata.jsonl or
    metadata.csv names a file and its text in each row. The setting training.public_share is the share of a dataset that is
    from such sets; 0 leaves them out.

    \b
    Examples:
      grokputer dataset import alpaca.jsonl --role action --license "CC BY-NC 4.0"
      grokputer dataset import my-pictures/ --role ocr
      grokputer dataset import databricks/databricks-dolly-15k --role decomposition --limit 1000
    """
    from ....adapters.data.imports.public_set import read_public
    from ....adapters.data.imports.reasons import quote
    from ...use_cases.intake.example_sets import import_examples

    ledger = open_ledger(db)
    read = read_public(path, role, limit)
    examples = count_noun(len(read.examples), "example")
    if import_examples(ledger, read, role=role, license=license, actor=name_actor(by)).is_new:
        print_line(f"imported {examples} from {quote(read.name)} ({read.form}) for role {role}")
        print_line(f"license: {quote(license or read.license)}")
    else:
        print_line(f"{examples} of {quote(read.name)}: already imported for role {role}; nothing was recorded")
    _print_left_out(read)


@dataset.command()
def synthesize(
    role: ForRole = "action",
    count: Annotated[int, typer.Option(min=1, max=100, help="Variations of each corrected run.")] = 3,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many runs, the newest.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print how many runs there are; ask and record nothing.")
    ] = False,
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Let the teacher model vary corrected runs: a question in other words, a task from other seeds.

    The settings teacher.endpoint and teacher.model name that model. A run is varied once.

    \b
    Examples:
      grokputer dataset synthesize --dry-run
      grokputer dataset synthesize --role action --count 5
    """
    from ...use_cases.intake.example_sets import find_unvaried, synthesize_examples

    ledger = open_ledger(db)
    if dry_run:
        print_line(
            f"{len(find_unvaried(ledger, role, limit))} corrected runs would be varied, {count} times each at most"
        )
        return
    made = synthesize_examples(ledger, role, count=count, limit=limit, actor=name_actor(by), say=say)
    print_line(f"{made.teacher} made {made.examples} examples of {made.runs} of {made.asked} corrected runs")


def _print_left_out(read: PublicSet) -> None:
    """Rows and keys of a set that were not read."""
    from ....adapters.data.imports.reasons import quote

    if read.left_out:
        print_line(f"left out {count_noun(read.left_out, 'row')}:")
    for reason, number in read.reasons.items():
        print_line(f"  {number} {reason}")
        for line in read.first[reason]:
            print_line(f"    {line}")
        if number > len(read.first[reason]):
            print_line(f"    and {number - len(read.first[reason])} more")
    if read.unread:
        keys = ", ".join(f"{quote(key)} ({number})" for key, number in read.unread.items())
        print_line(f"keys that were not read, and in how many rows: {keys}")


def _build(log: Log, role: str) -> tuple[Dataset, State]:
    """The dataset as of now."""
    from ...lessons.datasets import dataset_of
    from ...store.states import load_state

    state = load_state(log)
    below = state.policy.training(role).learn_below_stars
    return dataset_of(log, role, below, resolve_recipe(state.policy, role)), state


def _document(built: Dataset, role: str, policy: Policy) -> dict[str, Any]:
    minimum = policy.training(role).min_examples
    return {
        "role": role,
        "hash": built.hash,
        "examples": len(built.examples),
        "lessons": built.lessons,
        "minimum": minimum,
        "runs": built.runs,
        "by_source": dict(built.by_source),
        "by_task": dict(built.by_task),
        "by_label": dict(built.by_label),
        "pairs": sum(example.is_pair for example in built.examples),
        "held_out": dict(Counter(held.outcome for held in built.held_out)),
        "gate_missing": built.missing_for_gate(policy.gate(role).minimum) if policy.gate(role).enabled else 0,
    }


def _print_counts(built: Dataset, role: str, policy: Policy) -> None:
    document = _document(built, role, policy)
    minimum = document["minimum"]
    print_line(
        f"role {role}: {count_noun(document['examples'], 'example')} from {count_noun(built.runs, 'run')}, {built.hash[:19]}"
    )
    if built.lessons < minimum:
        print_line(f"a training would be declined: {built.lessons} usable examples, {minimum} are needed")
    rows = [
        (kind, name, count)
        for kind in ("source", "task", "label")
        for name, count in sorted(document[f"by_{kind}"].items())
    ]
    rows += [("rejected answer", "known", document["pairs"])] if document["pairs"] else []
    rows += [("held out", f"runs that {outcome}", count) for outcome, count in document["held_out"].items()]
    print_table(("", Column("", wraps=16), "examples"), rows, "nothing to learn from yet")
    if missing := document["gate_missing"]:
        needed = policy.gate(role).minimum
        print_line(
            f"the gate needs {needed} held-out failures, and {missing} are missing: the canary alone would decide"
        )


def _print_example(example: Example) -> None:
    run = f", run {short_id(example.run_id)} step {example.step + 1}" if example.run_id else ""
    print_line()
    print_line(f"{example.source} ({example.label}): {example.instance}{run}")
    last = example.messages[-1]
    content = shorten_marks(last["content"].rstrip())
    lines = show_answer(content, last.get("tool_calls", ())).split("\n")
    if len(lines) > SHOWN_LINES:
        print_line(f"    ({len(lines) - SHOWN_LINES} lines before)")
    for line in lines[-SHOWN_LINES:]:
        print_line(f"    {line}")
    print_text(show_answer(example.completion, example.tool_calls), "  > ")
    if example.is_pair:
        print_text(show_answer(example.rejected, example.rejected_calls), "  x ")
