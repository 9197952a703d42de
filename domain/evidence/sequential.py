"""The sequential rule's verdict on a canary: promote, hold, roll back or inconclusive; valid at any stopping time.

To be promoted, a canary must show that it is no worse than the stable arm by more than a margin, in success and in
rating. It is rolled back once it is shown to be worse. Where neither is shown by the end, a person decides.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..durations import say_time
from ..verdict import Times, Verdict
from ..vocabulary import NEXT_SHARE, CanaryReason, Decision, Rule
from .canary import Evidence


def standing(evidence: Evidence, times: Times) -> tuple[Decision, CanaryReason]:
    """The decision and its reason, without the sentence of ``judge``.

        ====================  ==========================================================================================
        roll back             ``critical`` error of the system, or ``worse``
        promote               ``no worse``
        inconclusive          ``most runs`` or ``time``: neither was shown by the end
        hold                  ``no worse so far``: enough for a larger share, see ``next_weight``; ``pause``: shown, but a
                              step of the ramp waits; ``bake``: shown, but too early; ``few runs``: nothing to compare yet;
                              ``unrated``: only ratings are missing, and there are none; ``evidence``
        ====================  ==========================================================================================

    A canary that was ever shown to be worse is not promoted.
    """
    terms, canary = evidence.terms, evidence.state["canary"]
    if canary["critical"] > terms.critical_limit:
        return Decision.ROLL_BACK, CanaryReason.CRITICAL
    if evidence.worse >= terms.roll_back_at:
        return Decision.ROLL_BACK, CanaryReason.WORSE
    is_shown = evidence.no_worse >= terms.promote_at
    if next_weight(evidence, times) is not None:
        return Decision.HOLD, CanaryReason.NO_WORSE_SO_FAR
    if is_shown and any(step.weight_percent > evidence.state["weight_percent"] for step in evidence.ramp):
        return Decision.HOLD, CanaryReason.PAUSE
    if is_shown:
        return (
            (Decision.PROMOTE, CanaryReason.NO_WORSE)
            if times.baked >= terms.bake_s
            else (Decision.HOLD, CanaryReason.BAKE)
        )
    if evidence.canary_outcomes - evidence.state["extended_at"] >= terms.most_runs:
        return Decision.INCONCLUSIVE, CanaryReason.MOST_RUNS
    if times.waited >= terms.give_up_s:
        return Decision.INCONCLUSIVE, CanaryReason.TIME
    if "success" in terms.unknown:
        return Decision.HOLD, _missing_rating(evidence)
    if not evidence.state["success"]["blocks_seen"]:
        return Decision.HOLD, CanaryReason.FEW_RUNS
    is_unrated = not canary["rated"] and "rating" not in terms.dry_run
    if is_unrated and ("success" in terms.dry_run or evidence.success_no_worse >= terms.promote_at):
        return Decision.HOLD, CanaryReason.UNRATED
    return Decision.HOLD, CanaryReason.EVIDENCE


def _missing_rating(evidence: Evidence) -> CanaryReason:
    """Why a canary is held that ratings alone decide about."""
    if evidence.state["rating"]["blocks_seen"]:
        return CanaryReason.EVIDENCE
    is_unrated = evidence.canary_outcomes and not evidence.state["canary"]["rated"]
    return CanaryReason.UNRATED if is_unrated else CanaryReason.FEW_RUNS


def next_weight(evidence: Evidence, times: Times) -> int | None:
    """The larger share, in percent, that evidence and time now allow the canary; None where they allow no more."""
    highest = present = evidence.state["weight_percent"]
    for step in evidence.ramp:
        if step.weight_percent <= present:
            continue
        if evidence.no_worse < step.evidence or times.at_share < step.pause_s:
            break
        highest = step.weight_percent
    return highest if highest > present else None


def judge(evidence: Evidence, times: Times) -> Verdict:
    """The verdict with its sentence and its numbers."""
    word, reason = standing(evidence, times)
    terms, state = evidence.terms, evidence.state
    share = next_weight(evidence, times)
    numbers = {
        "rule": Rule.SEQUENTIAL,
        "canary": _summary(state["canary"]),
        "stable": _summary(state["stable"]),
        "blocks": {name: state[name]["blocks_seen"] for name in ("success", "rating")},
        "evidence": {
            "success no worse": round(evidence.success_no_worse, 4),
            "rating no worse": round(evidence.rating_no_worse, 4),
            "worse": round(evidence.worse, 4),
        },
        "weight_percent": state["weight_percent"],
        NEXT_SHARE: share,
        "seconds": {name: round(passed, 1) for name, passed in asdict(times).items()},
        "terms": terms.to_json(),
    }
    sentence = "; ".join((*_say_success(evidence), *_say_rating(evidence), *_say_worse(evidence)))
    return Verdict(word, reason, sentence + _say_more(evidence, reason, times), numbers, share)


def _summary(counts: dict[str, Any]) -> dict[str, Any]:
    runs, rated = counts["runs"], counts["rated"]
    return {
        "runs": runs,
        **({"unknown": counts["unknown"]} if "unknown" in counts else {}),
        "succeeded": counts["succeeded"],
        "success": round(counts["succeeded"] / runs, 4) if runs else None,
        "rated": rated,
        "rating": round(counts["stars"] / rated, 4) if rated else None,
        "critical": counts["critical"],
    }


def _say_success(evidence: Evidence) -> tuple[str, ...]:
    terms, canary, stable = evidence.terms, evidence.state["canary"], evidence.state["stable"]
    if "success" in terms.unknown:
        ran = f"{evidence.canary_outcomes} canary runs against {stable['runs'] + stable.get('unknown', 0)}"
        return (f"{ran}, their success is unknown and decides nothing",)
    return (
        f"{canary['succeeded']:.4g} of {canary['runs']} canary runs succeeded against {stable['succeeded']:.4g} of "
        f"{stable['runs']}",
        f"evidence for no worse than {100 * terms.success_margin:g} points: "
        f"{_say(evidence.success_no_worse)} of {terms.promote_at:g}{_say_dry(evidence, 'success')}",
    )


def _say_rating(evidence: Evidence) -> tuple[str, ...]:
    terms, canary, stable = evidence.terms, evidence.state["canary"], evidence.state["stable"]
    if not canary["rated"]:
        return ("no canary run is rated",)
    against = f" against {stable['stars'] / stable['rated']:.2f}" if stable["rated"] else ""
    return (
        f"{canary['stars'] / canary['rated']:.2f} stars over {canary['rated']} ratings{against}",
        f"evidence for no worse than {terms.rating_margin:g} stars: {_say(evidence.rating_no_worse)} of {terms.promote_at:g}"
        + _say_dry(evidence, "rating"),
    )


def _say_dry(evidence: Evidence, metric: str) -> str:
    return " (reported only)" if metric in evidence.terms.dry_run else ""


def _say_worse(evidence: Evidence) -> tuple[str, ...]:
    return (f"evidence for worse: {_say(evidence.worse)} of {evidence.terms.roll_back_at:g}",)


def _say_more(evidence: Evidence, reason: CanaryReason, times: Times) -> str:
    terms = evidence.terms
    match reason:
        case CanaryReason.CRITICAL:
            count = evidence.state["canary"]["critical"]
            return f"; {count} of them ended in an error of the system, {terms.critical_limit} are allowed"
        case CanaryReason.PAUSE:
            return (
                f"; shown, and a larger share comes first, after a pause; {say_time(times.at_share)} of it have passed"
            )
        case CanaryReason.BAKE:
            return f"; shown after {say_time(times.baked)}, promoted after {say_time(terms.bake_s)}"
        case CanaryReason.MOST_RUNS:
            return f"; neither is shown after {terms.most_runs} canary runs"
        case CanaryReason.TIME:
            return f"; neither is shown after {say_time(times.waited)}"
        case CanaryReason.NO_WORSE_SO_FAR:
            return f"; enough for {next_weight(evidence, times)} % of the runs"
    return ""


def _say(amount: float) -> str:
    return f"{amount:.1f}" if amount < 1000 else f"{amount:.3g}"
