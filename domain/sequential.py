"""The sequential rule's verdict on a canary: promote, ramp, hold, roll back or inconclusive, valid whenever one looks.

To be promoted, a canary must have shown that it is no worse than the stable arm by more than a margin, in success and in
rating. To be rolled back, it must have shown that it is worse. What has shown neither by the end, a person decides.
"""

from __future__ import annotations

from typing import Any

from .canary import Verdict
from .evidence import Evidence


def standing(evidence: Evidence, elapsed_s: float) -> tuple[str, str]:
    """The verdict and its reason, without the sentence: what ``judge`` decides by.

    ====================  ==========================================================================================
    roll back             ``critical`` error of the system, or ``worse``
    promote               ``no worse``
    ramp                  ``no worse so far``: a larger share, see ``next_weight``
    inconclusive          ``most runs`` or ``time``: neither was shown by the end
    hold                  ``bake``: shown, but too early; ``few runs``: nothing to compare yet; ``unrated``: only
                          ratings are wanting, and there are none; ``evidence``
    ====================  ==========================================================================================

    A canary that has ever been shown to be worse is not promoted.
    """
    terms, canary = evidence.terms, evidence.state["canary"]
    if canary["critical"] > terms.critical_limit:
        return "roll back", "critical"
    if evidence.worse >= terms.roll_back_at:
        return "roll back", "worse"
    is_shown = evidence.no_worse >= terms.promote_at
    if is_shown and elapsed_s >= terms.bake_s:
        return "promote", "no worse"
    if next_weight(evidence) is not None:
        return "ramp", "no worse so far"
    if is_shown:
        return "hold", "bake"
    if canary["runs"] - evidence.state["extended_at"] >= terms.most_runs:
        return "inconclusive", "most runs"
    if elapsed_s >= terms.give_up_s:
        return "inconclusive", "time"
    if not evidence.state["success"]["blocks_seen"]:
        return "hold", "few runs"
    if evidence.success_no_worse >= terms.promote_at and not canary["rated"]:
        return "hold", "unrated"
    return "hold", "evidence"


def next_weight(evidence: Evidence) -> int | None:
    """The share in percent that the evidence entitles the canary to, None where it has no less already."""
    entitled = [step.weight_percent for step in evidence.terms.ramp if evidence.no_worse >= step.evidence]
    highest = max(entitled, default=0)
    return highest if highest > evidence.state["weight_percent"] else None


def judge(evidence: Evidence, elapsed_s: float) -> Verdict:
    """The verdict with its sentence and its numbers. ``elapsed_s`` counts from the rollout's start, or from its resumption."""
    word, reason = standing(evidence, elapsed_s)
    terms, state = evidence.terms, evidence.state
    numbers = {
        "rule": "sequential",
        "canary": _summary(state["canary"]),
        "stable": _summary(state["stable"]),
        "blocks": {name: state[name]["blocks_seen"] for name in ("success", "rating")},
        "evidence": {
            "success no worse": round(evidence.success_no_worse, 4),
            "rating no worse": round(evidence.rating_no_worse, 4),
            "worse": round(evidence.worse, 4),
        },
        "weight_percent": state["weight_percent"],
        "next_weight_percent": next_weight(evidence),
        "elapsed_s": round(elapsed_s, 1),
        "terms": terms.to_json(),
    }
    sentence = "; ".join((*_say_success(evidence), *_say_rating(evidence), *_say_worse(evidence)))
    return Verdict(word, reason, sentence + _say_more(evidence, reason, elapsed_s), numbers)


def _summary(counts: dict[str, Any]) -> dict[str, Any]:
    runs, rated = counts["runs"], counts["rated"]
    return {
        "runs": runs,
        "succeeded": counts["succeeded"],
        "success": round(counts["succeeded"] / runs, 4) if runs else None,
        "rated": rated,
        "rating": round(counts["stars"] / rated, 4) if rated else None,
        "critical": counts["critical"],
    }


def _say_success(evidence: Evidence) -> tuple[str, str]:
    terms, canary, stable = evidence.terms, evidence.state["canary"], evidence.state["stable"]
    return (
        f"{canary['succeeded']:g} of {canary['runs']} canary runs succeeded against {stable['succeeded']:g} of "
        f"{stable['runs']}",
        f"evidence for no worse than {100 * terms.success_margin:g} points: "
        f"{_say(evidence.success_no_worse)} of {terms.promote_at:g}",
    )


def _say_rating(evidence: Evidence) -> tuple[str, ...]:
    terms, canary, stable = evidence.terms, evidence.state["canary"], evidence.state["stable"]
    if not canary["rated"]:
        return ("no canary run is rated",)
    against = f" against {stable['stars'] / stable['rated']:.2f}" if stable["rated"] else ""
    return (
        f"{canary['stars'] / canary['rated']:.2f} stars over {canary['rated']} ratings{against}",
        f"evidence for no worse than {terms.rating_margin:g} stars: {_say(evidence.rating_no_worse)} of {terms.promote_at:g}",
    )


def _say_worse(evidence: Evidence) -> tuple[str, ...]:
    return (f"evidence for worse: {_say(evidence.worse)} of {evidence.terms.roll_back_at:g}",)


def _say_more(evidence: Evidence, reason: str, elapsed_s: float) -> str:
    terms = evidence.terms
    match reason:
        case "critical":
            count = evidence.state["canary"]["critical"]
            return f"; {count} of them ended in an error of the system, {terms.critical_limit} are allowed"
        case "bake":
            return f"; shown after {elapsed_s:.0f} s, promoted after {terms.bake_s:.0f} s"
        case "most runs":
            return f"; neither is shown after {terms.most_runs} canary runs"
        case "time":
            return f"; neither is shown after {elapsed_s:.0f} s"
        case "no worse so far":
            return f"; enough for {next_weight(evidence)} % of the runs"
    return ""


def _say(amount: float) -> str:
    return f"{amount:.1f}" if amount < 1000 else f"{amount:.3g}"
