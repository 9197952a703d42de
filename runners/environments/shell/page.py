"""What the agent sees of a shell: how the last command ended, what it printed, and what is in the folder, line by line.

Each line has the form of all pages, ``kind=value:text[number]``. Whatever a command prints or a file is called, it stays within
its line: nothing in it can begin another line of the prompt, control a terminal, or write a control token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....domain.page.action import COMMAND_VERBS
from ....domain.page.messages import Page
from ....projections.wording.escaping import escape_text
from ..sandbox.command import Outcome
from ..sandbox.tree import Entry, Tree

OUTPUT_LINES = 16
"""Lines of an output that are shown: half from its beginning, half from its end; chosen."""

LISTED = 24
"""Files and folders that are listed; chosen."""

WIDEST = 200
"""Characters of a line that are shown; chosen."""


def draw_page(
    request: str,
    tree: Tree,
    outcome: Outcome | None,
    *,
    is_done: bool = False,
    reward: float = 0.0,
    error: str = "",
    listed: int | None = None,
) -> Page:
    """The page after the command, or before the first one."""
    lines = [*_ended(outcome), *_printed(outcome), *_listed(tree, listed or LISTED)]
    numbered = tuple(f"{line}[{number}]" for number, line in enumerate(lines, 1))
    return Page(request, numbered, is_done, reward, error, verbs=COMMAND_VERBS)


def _ended(outcome: Outcome | None) -> Iterator[str]:
    if outcome is not None:
        yield f"exit:{outcome.code}" if outcome.code is not None else f"ended:at {outcome.ended}"


def _printed(outcome: Outcome | None) -> Iterator[str]:
    if outcome is None:
        return
    head, tail = (part.decode("utf-8", "backslashreplace") for part in (outcome.head, outcome.tail))
    if not outcome.cut:
        yield from _shortened((head + tail).splitlines())
        return
    half = OUTPUT_LINES // 2
    first, last = head.splitlines()[:half], tail.splitlines()[-half:]
    yield from (f"output:{shown(line)}" for line in first)
    yield f"left-out:{outcome.cut} bytes and more"
    yield from (f"output:{shown(line)}" for line in last)


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    half, over = OUTPUT_LINES // 2, len(lines) - OUTPUT_LINES
    for number, line in enumerate(lines):
        if over > 0 and number == half:
            yield f"left-out:{over} lines"
        if over <= 0 or number < half or number >= half + over:
            yield f"output:{shown(line)}"


def _listed(tree: Tree, most: int) -> Iterator[str]:
    for path, entry in list(tree.entries.items())[:most]:
        yield f"{_kind(entry)}:{shown(path)}"
    if (more := len(tree.entries) - most) > 0:
        yield f"not-listed:{more} more"


def _kind(entry: Entry) -> str:
    if entry.kind == "link":
        to = shown(entry.text).replace(":", "\\x3a")
        return f"link={to}"
    return f"{entry.kind}*" if entry.is_program else entry.kind


def shown(text: str) -> str:
    """The text as it stands on a page: one line of plain characters, cut where it is long."""
    plain = escape_text(text).replace("<|", "<\\x7c").replace("|>", "\\x7c>")
    return plain if len(plain) <= WIDEST else f"{plain[:WIDEST]}..."


def readable_output(page: Page) -> str:
    """What the last command printed, as the page shows it."""
    lines = (line.rpartition("[")[0] for line in page.lines if line.startswith("output:"))
    return "\n".join(line.removeprefix("output:") for line in lines)
