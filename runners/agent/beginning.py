"""What a run begins with: whether it plans and reads, the route of each of its roles, and the settings that it records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...domain.events import Capability
from ...domain.ports import Environment
from ...domain.rules.coordination import makes_plans
from ...domain.rules.observing import may_read
from ...domain.rules.roles import PLANS, roles_in
from ...domain.rules.routing import Route, route
from ...domain.settings.running import INSTRUCTIONS
from ...domain.settings.settings import Policy
from ...domain.vocabulary import Arm
from ...projections.state.state import State

if TYPE_CHECKING:
    from .runner import Task

RECORDED_SETTINGS = ("run.max_steps", "run.max_tokens", "run.temperature", "run.max_resamples")
"""The settings that affect a run, recorded with its start."""


def is_planned(task: Task, environment: Environment, policy: Policy) -> bool:
    """Whether the run makes plans: its role has one that plans, the setting allows it, and the task is long."""
    is_question = Capability.QUESTION in environment.capabilities
    is_long = task.role in PLANS and not is_question and environment.is_long(task.task)
    mode = policy.run(task.role).plan
    return task.role in PLANS and makes_plans(mode, task.task, is_question=is_question, is_long=is_long)


def reads_pages(task: Task, environment: Environment, policy: Policy) -> bool:
    """Whether the run may read its pages: the setting allows it, and the environment has pictures."""
    is_question = Capability.QUESTION in environment.capabilities
    mode = policy.run(task.role).observe
    return may_read(mode, task.role, is_readable=environment.is_readable(), is_question=is_question)


def routes_of(
    task: Task, state: State, pinned: Route | None, id: UUID, *, is_planned: bool, is_read: bool
) -> dict[str, Route]:
    """The route of each role in the run, its own first; beside a pinned role, the live adapters."""
    roles = roles_in(task.role, is_planned=is_planned, is_read=is_read)
    if pinned is None:
        return {role: route(state.traffic(role), id.hex, task.session) for role in roles}
    pins = {pinned.role or task.role: pinned}
    return {role: pins.get(role) or Route(Arm.PINNED, state.traffic(role).stable, None) for role in roles}


def recorded_settings(own: str, routes: Mapping[str, Route], state: State, alone: frozenset[str]) -> dict[str, Any]:
    """The settings in force for the run, and, under its name, those of another role with its own adapter or model."""
    recorded = {key: state.policy.get(key, own) for key in RECORDED_SETTINGS}
    recorded["canary_weight_percent"] = state.traffic(own).weight_percent
    for role, chosen in routes.items():
        if role != own and (chosen.adapter is not None or role in alone):
            recorded |= {f"{role}.{key}": state.policy.get(key, role) for key in RECORDED_SETTINGS[1:]}
        if role != own and (chosen.adapter is not None or chosen.rollout is not None):
            recorded[f"{role}.canary_weight_percent"] = state.traffic(role).weight_percent
    return recorded | _recorded_instructions(own, routes, state.policy, alone)


def _recorded_instructions(
    own: str, routes: Mapping[str, Route], policy: Policy, alone: frozenset[str]
) -> dict[str, str | None]:
    """The content keys of the instructions in force, as ``make_preface`` reads them; empty where there are none."""
    texts = {INSTRUCTIONS: policy.run(own).instructions}
    for role, chosen in routes.items():
        if role != own and (chosen.adapter is not None or role in alone):
            texts[f"{role}.{INSTRUCTIONS}"] = policy.run(role).instructions
    return texts if any(texts.values()) else {}
