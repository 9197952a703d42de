"""The gate before traffic: an adapter must do better than its parent on held-out failures, and keep most of what worked.

Held-out instances are never trained on. Where there is an environment, both arms repeat them and successes are counted;
elsewhere the loss on the right answers is compared. Held-out runs were selected by their original outcome, so both arms
regress to the mean on them: even an adapter that is no worse loses a few that worked. The margin allows for that, and
fresh pages of the same tasks are added where runs are few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..settings.settings import Policy
from ..verdict import Verdict
from ..vocabulary import Decision, GateReason


@dataclass(frozen=True)
class Runs:
    """Successes of both arms on the same held-out instances, repeated in their environment."""

    instances: int = 0
    adapter: int = 0
    parent: int = 0
    fresh: int = 0
    """How many of the instances are not held-out runs but new pages of their tasks."""


@dataclass(frozen=True)
class Losses:
    """Mean loss of both arms on the right answers of the same held-out instances, in nats per token, 0 or more."""

    instances: int = 0
    adapter: float = 0.0
    parent: float = 0.0


@dataclass(frozen=True)
class Lines:
    """Mean share of right lines, 0 to 1, of both arms on the same held-out screens."""

    instances: int = 0
    adapter: float = 0.0
    parent: float = 0.0


@dataclass(frozen=True)
class HeldOutResult:
    """The measurements on the held-out instances that failed, or on those that worked."""

    runs: Runs = Runs()
    losses: Losses = Losses()
    lines: Lines = Lines()

    def numbers(self) -> dict[str, Any]:
        """As they are recorded; lines only where screens were read."""
        return {name: value for name, value in asdict(self).items() if name != "lines" or self.lines.instances}


def judge_held_out(failed: HeldOutResult, worked: HeldOutResult, policy: Policy, role: str) -> Verdict:
    """``pass`` or ``reject``: whether the adapter may get traffic. Counts under ``gate.minimum`` decide nothing.

    Reasons: ``better``; ``no gain`` on the failures; ``lost`` too much of what worked; ``off`` where the gate is
    switched off. Where there are too few failures to judge, it passes: ``too few``, ``nothing held out``. Losses come
    first: an adapter that breaks working tasks is refused, however much it gains. Where neither arm succeeds on any failure
    and the right answers were scored too, those alone are judged by: in a run of several roles, one role that learnt its
    part cannot succeed before the others do.

    A refusal by the failures alone stands: no count of what worked turns it into ``pass``. So what worked need not be measured
    then.
    """
    margin, minimum = policy.gate(role).margin, policy.gate(role).minimum
    numbers = {"failed": failed.numbers(), "worked": worked.numbers(), "margin": margin, "minimum": minimum}
    sentence = "; ".join([*_say_failed(failed), *_say_worked(worked)]) or "nothing was held out"

    def judgement(verdict: Decision, reason: GateReason, more: str) -> Verdict:
        return Verdict(verdict, reason, sentence + more, numbers)

    lost = _lost(worked, margin, minimum)
    if lost:
        return judgement(Decision.REJECT, GateReason.LOST, f": {lost}")
    if is_silent(failed):
        failed = replace(failed, runs=Runs())
        sentence += "; where neither succeeds, the right answers alone are judged by"
    counts = [counted.instances for counted in (failed.runs, failed.losses, failed.lines)]
    if not any(counts):
        return judgement(
            Decision.PASS, GateReason.NOTHING_HELD_OUT, ": without held-out failures, the canary alone decides"
        )
    if max(counts) < minimum:
        return judgement(
            Decision.PASS, GateReason.TOO_FEW, f": {minimum} failures are needed to judge by, the canary alone decides"
        )
    if failed.runs.instances >= minimum and failed.runs.adapter <= failed.runs.parent:
        return judgement(
            Decision.REJECT, GateReason.NO_GAIN, ": it must succeed on more of the failures than its parent"
        )
    if failed.losses.instances >= minimum and failed.losses.adapter >= failed.losses.parent:
        return judgement(
            Decision.REJECT, GateReason.NO_GAIN, ": its loss on the failures must be lower than its parent's"
        )
    if failed.lines.instances >= minimum and failed.lines.adapter <= failed.lines.parent:
        return judgement(
            Decision.REJECT,
            GateReason.NO_GAIN,
            ": it must read more lines of the misread screens right than its parent",
        )
    return judgement(Decision.PASS, GateReason.BETTER, "")


def is_silent(failed: HeldOutResult) -> bool:
    """Whether the runs say nothing, because neither arm succeeded on any, while the losses on the right answers are known."""
    return failed.runs.adapter == failed.runs.parent == 0 and min(failed.runs.instances, failed.losses.instances) > 0


def _lost(worked: HeldOutResult, margin: float, minimum: int) -> str:
    """The loss beyond the margin, in words; empty when there is none."""
    runs, losses = worked.runs, worked.losses
    allowed = math.floor(margin * runs.instances + 1e-9)
    if runs.instances >= minimum and runs.parent - runs.adapter > allowed:
        return f"{runs.parent - runs.adapter} lost, at most {allowed} of {runs.instances} may be"
    lowest = worked.lines.parent - margin
    if worked.lines.instances >= minimum and worked.lines.adapter < lowest:
        return f"at least {lowest:.0%} of the lines must be right where the parent read well"
    # The margin is a share of a token's probability (geometric mean); the loss is its negative logarithm.
    highest = losses.parent - math.log1p(-margin)
    if losses.instances >= minimum and losses.adapter > highest:
        return f"a loss of at most {highest:.3f} is allowed on what worked"
    return ""


def _say_failed(side: HeldOutResult) -> Sequence[str]:
    runs, losses = side.runs, side.losses
    sentences = []
    if runs.instances:
        sentences.append(
            f"{runs.adapter} of {runs.instances} held-out failures{_fresh(runs)} now succeed against {runs.parent} of "
            f"{runs.instances} for its parent"
        )
    if losses.instances:
        sentences.append(
            f"loss {losses.adapter:.3f} per token on the right answers of {losses.instances} held-out failures against "
            f"{losses.parent:.3f} for its parent"
        )
    return [*sentences, *_say_lines(side.lines, "that were misread")]


def _say_lines(lines: Lines, which: str) -> Sequence[str]:
    if not lines.instances:
        return []
    return [
        f"{lines.adapter:.0%} of the lines of {lines.instances} held-out screens {which}, against {lines.parent:.0%}"
    ]


def _say_worked(side: HeldOutResult) -> Sequence[str]:
    runs, losses = side.runs, side.losses
    sentences = []
    if runs.instances:
        sentences.append(
            f"{runs.adapter} of {runs.instances} that worked{_fresh(runs)} still do, against {runs.parent}"
        )
    if losses.instances:
        sentences.append(
            f"loss {losses.adapter:.3f} per token on {losses.instances} answers that were good, against {losses.parent:.3f}"
        )
    return [*sentences, *_say_lines(side.lines, "that were read well")]


def _fresh(runs: Runs) -> str:
    return f" ({runs.fresh} of them fresh pages of their tasks)" if runs.fresh else ""
