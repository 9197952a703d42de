"""The confidence interval of a share: where the true share lies, given so many successes in so many runs."""

from __future__ import annotations

import math

Z = 1.96
"""Standard errors that a normal mean exceeds in one of twenty cases, both sides together."""


def wilson(good: int, runs: int, z: float = Z) -> tuple[float, float]:
    """The 95 % interval of the share, in [0, 1]; (0, 1) when there are no runs.

    Source: Wilson (1927), the score interval, as recommended by Brown, Cai and DasGupta (2001) for small samples.
    """
    if not runs:
        return 0.0, 1.0
    share = good / runs
    scale = 1 + z * z / runs
    middle = (share + z * z / (2 * runs)) / scale
    half = z * math.sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)
