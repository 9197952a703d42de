"""Ratings: how many stars there are, where they come from, the common issues, and the rating that a run implies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import BadRating
from ..settings.settings import Policy
from ..vocabulary import RatingSource

SOURCES = (RatingSource.HUMAN, RatingSource.REVIEWER)
"""The sources of ratings; a judge model's rating is a grade, and never one of these."""

ISSUES = ("ocr_confidence_low", "speech_confidence_low", "wrong_action", "timeout", "imprecise")
"""Names of common issues. Other words are allowed, and are kept in the content store."""

ROLE_OF_ISSUE = {"ocr_confidence_low": "ocr", "wrong_action": "action"}
"""The role whose work an issue speaks of; the other issues speak of none. A low rating with the issue is attributed to this
role, unless its rater names a step or a role."""


def propose_fault(issues: Sequence[str], roles: Sequence[str]) -> str | None:
    """The role that these issues speak of, if they agree and the role made a step of the run; else None.

    ``roles`` are those that made a step.
    """
    meant = {ROLE_OF_ISSUE[issue] for issue in issues if issue in ROLE_OF_ISSUE}
    return next(iter(meant)) if len(meant) == 1 and meant <= set(roles) else None


LONGEST_COMMENT = 4000
"""Characters of a comment; chosen: a page of text."""
LONGEST_ISSUE = 100
"""Characters of one issue; chosen: a short line."""
MOST_ISSUES = 20
"""Issues of a rating; chosen: more than a person ticks."""
LONGEST_CORRECTION = 200_000
"""Characters of a correction; chosen: some 50,000 tokens, more than a training reads."""


def check_words(comment: str | None, issues: Sequence[str]) -> None:
    """Raise ``BadRating`` where the words of a rating are longer or more than is kept, and for an issue without words."""
    if comment is not None and len(comment) > LONGEST_COMMENT:
        raise BadRating(f"the comment has {len(comment)} characters; it takes {LONGEST_COMMENT}")
    if len(issues) > MOST_ISSUES:
        raise BadRating(f"there are {len(issues)} issues; a rating takes {MOST_ISSUES}")
    if not all(issue.strip() for issue in issues):
        raise BadRating("an issue is blank; give its words, or leave it out")
    longest = max(map(len, issues), default=0)
    if longest > LONGEST_ISSUE:
        raise BadRating(f"an issue has {longest} characters; it takes {LONGEST_ISSUE}")


def check_stars(stars: Any) -> int:
    """The rating as a whole number. Raises ``BadRating`` unless it is a whole number from 1 to 5, or one of these
    digits as text."""
    if isinstance(stars, str) and stars in tuple("12345"):
        return int(stars)
    if not isinstance(stars, int) or isinstance(stars, bool) or not 1 <= stars <= 5:
        shown = repr(stars) if isinstance(stars, str) and not stars.strip() else stars
        raise BadRating(f"{shown} is not a rating; give a whole number of stars from 1 to 5")
    return stars


def rate_implicitly(succeeded: bool, duration_ms: int | None, policy: Policy) -> int | None:
    """The run's implicit rating, 1 to 5: failure 1; success 5, 4 or 3 by its duration. Source: operators' requirements.

    None for a success whose duration is unknown.
    """
    if not succeeded:
        return 1
    if duration_ms is None:
        return None
    if duration_ms < policy.implicit.five_under_s * 1000:
        return 5
    return 4 if duration_ms < policy.implicit.four_under_s * 1000 else 3
