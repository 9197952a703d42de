"""All settings, the check of a change, and the settings in force at one moment.

A change is a fact (``PolicyChanged``), so the log knows which value was in force when. A key may be set for one role
alone by writing the role before it: ``action.training.r``. Each setting is declared in the module of its subject.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import Hint, InvalidRecipe
from .alert import AlertSettings, ChannelSettings
from .keys import ROLES as ROLES
from .keys import current_key as current_key
from .keys import role_of as role_of
from .keys import without_role as without_role
from .ramp import complain_of_first_step
from .rating import ImplicitSettings, RatingSettings, ScheduleSettings, SessionSettings
from .recipe import FIGURES, Recipe, preset
from .rollout import AbSettings, CanarySettings, GateSettings
from .running import ModelSettings, RunSettings, TeacherSettings, WeightsSettings
from .setting import BadSetting as BadSetting
from .setting import Group, declared
from .setting import Setting as Setting
from .training import CostSettings, TrainingSettings

GROUPS: tuple[type[Group], ...] = (
    RatingSettings,
    ImplicitSettings,
    ScheduleSettings,
    SessionSettings,
    RunSettings,
    ModelSettings,
    WeightsSettings,
    TeacherSettings,
    TrainingSettings,
    CostSettings,
    GateSettings,
    AbSettings,
    CanarySettings,
    AlertSettings,
    ChannelSettings,
)
"""Where the settings are declared, but for the recipe's figures."""

SETTINGS: dict[str, Setting] = {it.key: it for group in GROUPS for it in declared(group).values()}

RECIPE_KEYS = tuple(name for name in FIGURES if name != "quantization")
"""Figures of the recipe that a setting ``training.<key>`` overrides: all but how the base is held, which is
``model.quantization``, since an adapter is trained on the base as it is served."""

RECIPE_SETTINGS: dict[str, Setting] = {FIGURES[name].key: FIGURES[name] for name in RECIPE_KEYS}
"""Those settings, as the recipe declares them. Unset, a figure is the preset's own."""

ALL_SETTINGS: dict[str, Setting] = {**SETTINGS, **RECIPE_SETTINGS}
"""Every setting that there is, by its key without a role."""

G = TypeVar("G", bound=Group)


def check_setting(key: str, value: Any) -> Any:
    """The value in its own type. Raises ``BadSetting`` for an unknown key or a value out of range."""
    declaration = check_key(key)
    if declaration.key in RECIPE_SETTINGS and value in (None, ""):
        return None
    return declaration.check(key, value)


def check_key(key: str) -> Setting:
    """The setting of the key, with or without a role. Raises ``BadSetting`` where there is none."""
    bare = without_role(current_key(key))
    found = ALL_SETTINGS.get(bare)
    if found is None:
        shown = key if key.isprintable() else ascii(key)  # halves of characters and line breaks are no part of a line
        raise BadSetting(f"{shown} is not a setting", hint=Hint.SEE_SETTINGS)
    if role_of(key) and not found.is_per_role:
        raise BadSetting(f"{key} cannot be set for one role alone; set {bare}")
    return found


def is_setting(key: str) -> bool:
    """Whether there is such a setting, for all roles or, with a role before it, for one."""
    try:
        check_key(key)
    except BadSetting:
        return False
    return True


def check_together(policy: Policy, bare: str) -> None:
    """Raises ``BadSetting`` where a changed ramp, but for the default one, does not begin over the first share."""
    for role in (None, *ROLES) if bare in ("canary.ramp", "canary.weight_percent") else ():
        canary = policy.canary(role)
        is_default = canary.ramp == SETTINGS["canary.ramp"].default
        if not is_default and (wrong := complain_of_first_step(canary.ramp, canary.weight_percent)):
            raise BadSetting(f"canary.ramp {canary.ramp}{f' of role {role}' if role else ''} {wrong}")


@dataclass(frozen=True)
class Policy:
    """The settings in force at one moment: what was changed, over the defaults.

    Each group of settings is read by a typed accessor; a role has its own values where some were set for it alone.
    """

    changed: Mapping[str, Any] = field(default_factory=dict)
    _groups: dict[tuple[type[Group], str | None], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def get(self, key: str, role: str | None = None) -> Any:
        """The value for the role, else for all, else the default (None for an unset recipe figure).

        For listings, which take any key. Code that uses a value reads it from its group.
        """
        return self.find(key, role)[1]

    def find(self, key: str, role: str | None = None) -> tuple[str, Any]:
        """The setting that is in force for the role, by its full key, and its value."""
        if role is not None and f"{role}.{key}" in self.changed:
            return f"{role}.{key}", self.changed[f"{role}.{key}"]
        if key in self.changed:
            return key, self.changed[key]
        if key == "run.max_resamples" and self.is_remote:
            return key, 0
        return key, SETTINGS[key].default if key in SETTINGS else None

    def _group(self, kind: type[G], role: str | None = None) -> G:
        group = self._groups.get((kind, role))
        if group is None:
            values = {it.name: self.find(f"{kind.PREFIX}.{it.name}", role)[1] for it in dataclasses.fields(kind)}
            group = self._groups[kind, role] = kind(**values)
        return group

    def rating(self, role: str | None) -> RatingSettings:
        """When the role's ratings are a breach."""
        return self._group(RatingSettings, role)

    @property
    def implicit(self) -> ImplicitSettings:
        """The rating that a run gives itself."""
        return self._group(ImplicitSettings)

    @property
    def schedule(self) -> ScheduleSettings:
        """Looks that no run causes."""
        return self._group(ScheduleSettings)

    def sessions(self, role: str | None) -> SessionSettings:
        """Imported sessions."""
        return self._group(SessionSettings, role)

    def run(self, role: str | None) -> RunSettings:
        """How the role's runs and steps are made."""
        return self._group(RunSettings, role)

    @property
    def model(self) -> ModelSettings:
        """The base model."""
        return self._group(ModelSettings)

    @property
    def weights(self) -> WeightsSettings:
        """Where weights are kept."""
        return self._group(WeightsSettings)

    def teacher(self, role: str | None) -> TeacherSettings:
        """The role's teacher."""
        return self._group(TeacherSettings, role)

    def training(self, role: str | None) -> TrainingSettings:
        """What the role's trainings learn from; their figures are in ``recipe_figures``."""
        return self._group(TrainingSettings, role)

    @property
    def cost(self) -> CostSettings:
        """What a training costs."""
        return self._group(CostSettings)

    def gate(self, role: str | None) -> GateSettings:
        """The gate before traffic."""
        return self._group(GateSettings, role)

    def ab(self, role: str | None) -> AbSettings:
        """What B must show in a comparison."""
        return self._group(AbSettings, role)

    def canary(self, role: str | None) -> CanarySettings:
        """The canary's share, and what it must show."""
        return self._group(CanarySettings, role)

    def alert(self, role: str | None) -> AlertSettings:
        """When people are alerted."""
        return self._group(AlertSettings, role)

    @property
    def channels(self) -> ChannelSettings:
        """How people are alerted."""
        return self._group(ChannelSettings)

    @property
    def is_remote(self) -> bool:
        """Whether the model is behind an endpoint."""
        return self.model.backend == "openai"

    @property
    def quantization(self) -> str:
        """How the base is held: ``nf4`` or ``none``."""
        if self.model.quantization != "auto":
            return self.model.quantization
        return "none" if self.model.base == "embedded" else "nf4"

    def recipe_changes(self, role: str) -> dict[str, Any]:
        """The recipe figures that were set, the role's own before the general ones."""
        return {name: value for name in RECIPE_KEYS if (value := self.get(f"training.{name}", role)) is not None}

    def preset_figure(self, key: str, role: str | None = None) -> Any:
        """The value that ``training.<figure>`` has where it is not set: the one of the preset in force."""
        return preset(self.training(role).preset, role).to_json()[key.removeprefix("training.")]

    def recipe_figures(self, role: str) -> dict[str, Any]:
        """Every figure of the recipe in force for the role: its preset's, with those that were set. None of them is checked."""
        figures = preset(self.training(role).preset, role).to_json()
        return {**figures, "quantization": self.quantization, **self.recipe_changes(role)}


def resolve_recipe(policy: Policy, role: str) -> Recipe:
    """The recipe in force for the role. Raises ``InvalidRecipe`` that names each setting that is out of range.

    ``Settings.change`` lets no such value in; a log that an older program wrote may hold one.
    """
    faults = [
        f"{key} is {value!r}, and takes {FIGURES[name].allowed()}"
        for name in policy.recipe_changes(role)
        for key, value in [policy.find(f"training.{name}", role)]
        if not FIGURES[name].takes(value)
    ]
    if faults:
        raise InvalidRecipe(f"no adapter can be trained for role {role}: {'; '.join(faults)}; change the setting")
    return Recipe.from_json(policy.recipe_figures(role))


def _recipe_fault(policy: Policy, role: str) -> str:
    """Why there is no recipe for the role, empty where there is one."""
    try:
        resolve_recipe(policy, role)
    except InvalidRecipe as error:
        return str(error)
    return ""
