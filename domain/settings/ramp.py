"""Checks of a canary's ramp as it is set, such as ``30:3, 50:6:3600``."""

from __future__ import annotations

from itertools import pairwise


def complain_of_steps(ramp: str) -> str:
    """What is wrong with the order of the steps, in words; empty where shares rise and evidence does not fall."""
    steps = [step.split(":") for step in ramp.split(",") if ramp != "none"]
    for before, step in pairwise(steps):
        if int(step[0]) <= int(before[0]):
            return f"{int(step[0])} % is no more than the {int(before[0])} % before it; each step takes a larger share"
        if float(step[1]) < float(before[1]):
            return (
                f"the step to {int(step[0])} % takes less evidence ({step[1]}) than the one before it ({before[1]}); "
                "each step takes as much or more"
            )
    return ""


def complain_of_first_step(ramp: str, weight_percent: int) -> str:
    """What is wrong with the ramp beside the first share, in words; empty where it begins over that share."""
    lowest = ramp.partition(":")[0].strip()
    if ramp == "none" or int(lowest) > weight_percent:
        return ""
    return (
        f"begins with {lowest} %, which is no more than the first share, canary.weight_percent {weight_percent}; begin the "
        "ramp over it, or set canary.weight_percent lower"
    )
