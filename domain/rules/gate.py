"""The gate before traffic: an adapter must do better than its parent on held-out failures, and lose little of what worked.

Held-out instances are tasks that nobody trained on. Where there is an environment, both arms do them again and successes
are counted; where there is none, the loss on the answers that should have been given is compared. The held-out runs were
picked by how they once ended, so both arms move towards the middle on them: a different adapter that is no worse loses a few
of those that worked. The margin allows for that, and fresh pages of the same tasks make up for it where runs are few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..settings.settings import Policy
from ..verdict import Verdict
from ..vocabulary import Decision, GateReason


@dataclass(frozen=True)
class Runs:
    """Successes of both arms on the same held-out instances, done again in their environment."""

    instances: int = 0
    adapter: int = 0
    parent: int = 0
    fresh: int = 0
    """How many of the instances are not held-out runs but further pages of their tasks, which nobody has seen."""


@dataclass(frozen=True)
class Losses:
    """Mean loss of both arms on the right answers of the same held-out instances, in nats per token, 0 and more."""

    instances: int = 0
    adapter: float = 0.0
    parent: float = 0.0


@dataclass(frozen=True)
class HeldOutResult:
    """What was measured on the held-out instances that once failed, or on those that worked."""

    runs: Runs = Runs()
    losses: Losses = Losses()


def judge_held_out(failed: HeldOutResult, worked: HeldOutResult, policy: Policy, role: str) -> Verdict:
    """``pass`` or ``reject``: whether the adapter may have traffic. A count of less than ``gate.minimum`` says nothing.

    Reasons: ``better``; ``no gain`` on the failures, ``lost`` too much of what worked; and where there is not enough to
    judge the failures by, which passes: ``too few``, ``nothing held out``; ``off`` where the gate was switched off.
    What worked is looked at first: an adapter that breaks things is refused for that, however much it gains.
    """
    margin, minimum = policy.gate(role).margin, policy.gate(role).minimum
    numbers = {"failed": asdict(failed), "worked": asdict(worked), "margin": margin, "minimum": minimum}
    sentence = "; ".join([*_say_failed(failed), *_say_worked(worked)]) or "nothing was held out"

    def judgement(verdict: Decision, reason: GateReason, more: str) -> Verdict:
        return Verdict(verdict, reason, sentence + more, numbers)

    lost = _lost(worked, margin, minimum)
    if lost:
        return judgement(Decision.REJECT, GateReason.LOST, f": {lost}")
    counts = [counted.instances for counted in (failed.runs, failed.losses)]
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
    return judgement(Decision.PASS, GateReason.BETTER, "")


def _lost(worked: HeldOutResult, margin: float, minimum: int) -> str:
    """In words, what was lost beyond the margin; empty when nothing was."""
    runs, losses = worked.runs, worked.losses
    allowed = math.floor(margin * runs.instances + 1e-9)
    if runs.instances >= minimum and runs.parent - runs.adapter > allowed:
        return f"{runs.parent - runs.adapter} lost, at most {allowed} of {runs.instances} may be"
    # A share of the probability of a token, which a loss is the negative logarithm of, in the geometric mean.
    highest = losses.parent - math.log1p(-margin)
    if losses.instances >= minimum and losses.adapter > highest:
        return f"a loss of at most {highest:.3f} is allowed on what worked"
    return ""


def _say_failed(side: HeldOutResult) -> Sequence[str]:
    runs, losses = side.runs, side.losses
    said = []
    if runs.instances:
        said.append(
            f"{runs.adapter} of {runs.instances} held-out failures{_fresh(runs)} now succeed against {runs.parent} of "
            f"{runs.instances} for its parent"
        )
    if losses.instances:
        said.append(
            f"loss {losses.adapter:.3f} per token on the right answers of {losses.instances} held-out failures against "
            f"{losses.parent:.3f} for its parent"
        )
    return said


def _say_worked(side: HeldOutResult) -> Sequence[str]:
    runs, losses = side.runs, side.losses
    said = []
    if runs.instances:
        said.append(f"{runs.adapter} of {runs.instances} that worked{_fresh(runs)} still do, against {runs.parent}")
    if losses.instances:
        said.append(
            f"loss {losses.adapter:.3f} per token on {losses.instances} answers that were good, against {losses.parent:.3f}"
        )
    return said


def _fresh(runs: Runs) -> str:
    return f" ({runs.fresh} of them fresh pages of their tasks)" if runs.fresh else ""
