"""The descent of adapters as a graph: one row each, connected to the adapter that was live when its training was requested."""

from __future__ import annotations

from collections.abc import Sequence

from ...domain.durations import show_duration
from ...projections.explain.family import Member
from ...projections.wording.escaping import escape_html

TONES = {"live": "good", "canary": "warn", "rejected": "bad", "rolled back": "bad", "failed": "bad"}
"""The colour of a status; others are quiet."""

STEP = 22
"""Pixels between two columns."""


def draw_descent(family: Sequence[Member], focus: str | None) -> str:
    """The base, then adapters and failed trainings in their order; ``focus`` is the page's subject."""
    if not family:
        return ""
    rows: dict[str | None, int] = {None: 0}
    rows |= {member.name: row for row, member in enumerate(family, 1) if member.name is not None}
    columns = _columns(family, rows)
    width, height = STEP * (max(columns) + 1), len(family) + 1
    edges = "".join(_edge(member, rows[member.parent], row, columns) for row, member in enumerate(family, 1))
    knots = "".join(
        f'<path class="knot {tone}" d="M{STEP * (column + 0.5):g} {row + 0.5:g}h0"/>'
        for row, (column, tone) in enumerate(
            zip(columns, ["", *(TONES.get(member.status, "") for member in family)], strict=True)
        )
    )
    rail = (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" '
        f'style="width:{width}px" role="img" aria-label="descent">{edges}{knots}</svg>'
    )
    words = "".join(_words(member, member.name is not None and member.name == focus) for member in family)
    base = '<li><p><b>base</b></p><p class="quiet">the bare model</p></li>'
    is_from_base = any(member.parent is not None and not member.goes_on for member in family)
    note = (
        '<p class="note">Dashed: trained from the base again, while the adapter above was live.</p>'
        if is_from_base
        else ""
    )
    return f'{note}<div class="descent" style="--rail:{width}px;--rows:{height}">{rail}<ul>{base}{words}</ul></div>'


def _columns(family: Sequence[Member], rows: dict[str | None, int]) -> list[int]:
    """A column for each row: the parent's where the adapter went live and the column is free, else the next free one."""
    ends = [0]
    columns = [0]
    for row, member in enumerate(family, 1):
        above = rows[member.parent]
        own = columns[above]
        column = own if member.was_live and ends[own] == above else own + 1
        while column < len(ends) and ends[column] > above:
            column += 1
        if column == len(ends):
            ends.append(0)
        ends[column] = row
        columns.append(column)
    return columns


def _edge(member: Member, above: int, row: int, columns: Sequence[int]) -> str:
    """The line from the parent's row; dashed where the training started from the base again."""
    begin, end = STEP * (columns[above] + 0.5), STEP * (columns[row] + 0.5)
    kind = "edge" if member.goes_on or member.parent is None else "edge dashed"
    bend = "" if begin == end else f"C{begin:g} {above + 1.1:g} {end:g} {above + 0.9:g} {end:g} {above + 1.5:g}"
    return f'<path class="{kind}" d="M{begin:g} {above + 0.5:g}{bend}V{row + 0.5:g}"/>'


def _words(member: Member, is_focus: bool) -> str:
    training = member.training
    examples, duration_s = (training.examples, training.duration_s) if training is not None else (None, None)
    details = ["no dataset" if examples is None else f"{examples} examples"]
    if duration_s is not None:
        details.append(f"trained in {show_duration(duration_s)}")
    if member.parent is not None:
        details.append(f"{'continued from' if member.goes_on else 'from the base, while live was'} {member.parent}")
    if member.gate:
        details.append(f"gate: {member.gate}")
    name = member.name or "training without an adapter"
    tone = TONES.get(member.status, "")
    status = f'<span class="{tone}">{escape_html(member.status)}</span> <span class="quiet">{member.position}</span>'
    opening = f'<li class="{"focus" if is_focus else ""}" title="{escape_html(member.reason)}">'
    return f'{opening}<p><b>{escape_html(name)}</b> {status}</p><p class="quiet">{escape_html(", ".join(details))}</p></li>'
