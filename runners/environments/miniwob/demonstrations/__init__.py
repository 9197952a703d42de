"""Scripted demonstrations: for each base and unseen task a policy that solves it from what the agent sees.

A policy reads the task's words and the page's lines and nothing else, so it also proves that the observation carries
what the task needs. There are none for the other tasks, which are kept for measuring.
"""

from __future__ import annotations

from .....domain.errors import UnknownTask
from . import choosing, clicking, entering, exploring
from .policy import Policy

_POLICIES: dict[str, Policy] = {
    **clicking.POLICIES,
    **choosing.POLICIES,
    **entering.POLICIES,
    **exploring.POLICIES,
}


def demonstrate(task: str) -> Policy:
    """The policy that solves the task. Raises ``UnknownTask``, naming the tasks that have one."""
    if task not in _POLICIES:
        raise UnknownTask(f"there is no demonstration of {task!r}; there are of {', '.join(sorted(_POLICIES))}")
    return _POLICIES[task]


__all__ = ["Policy", "demonstrate"]
