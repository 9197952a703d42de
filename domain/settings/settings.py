"""All settings, the check of a change, and the settings in force at one moment.

A change is an event (``PolicyChanged``), so the log knows which value was in force when. A key with a role before it
applies to that role alone: ``action.training.r``. Each setting is declared in the module of its subject.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

from ..errors import Hint, InvalidRecipe
from ..vocabulary import Backend
from .alert import AlertSettings, ChannelSettings
from .forms import split_endpoints
from .keys import RETIRED
from .keys import ROLES as ROLES
from .keys import current_key as current_key
from .keys import role_of as role_of
from .keys import without_role as without_role
from .ramp import complain_of_first_step
from .rating import ImplicitSettings, RatingSettings, ScheduleSettings, SessionSettings
from .recipe import FIGURES, Recipe, preset
from .rollout import AbSettings, CanarySettings, GateSettings
from .running import (
    SMALL,
    EnvironmentSettings,
    GatewaySettings,
    JudgeSettings,
    LogSettings,
    ModelSettings,
    RegistrySettings,
    RoleEndpoint,
    RunSettings,
    TeacherSettings,
    WeightsSettings,
)
from .senses import AudioSettings, ReadSettings
from .setting import BadSetting as BadSetting
from .setting import Group, declared
from .setting import Setting as Setting
from .telemetry import TelemetrySettings
from .training import CostSettings, LaunchSettings, TrainingSettings

GROUPS: tuple[type[Group], ...] = (
    RatingSettings,
    ImplicitSettings,
    ScheduleSettings,
    SessionSettings,
    RunSettings,
    LogSettings,
    GatewaySettings,
    EnvironmentSettings,
    ModelSettings,
    WeightsSettings,
    RegistrySettings,
    TeacherSettings,
    JudgeSettings,
    ReadSettings,
    AudioSettings,
    TrainingSettings,
    LaunchSettings,
    CostSettings,
    GateSettings,
    AbSettings,
    CanarySettings,
    AlertSettings,
    ChannelSettings,
    TelemetrySettings,
)
"""Every group of settings, without the recipe's figures."""

SETTINGS: dict[str, Setting] = {setting.key: setting for group in GROUPS for setting in declared(group).values()}

RECIPE_KEYS = tuple(name for name in FIGURES if name != "quantization")
"""Figures of the recipe that a setting ``training.<key>`` overrides. Quantization is missing: it is
``model.quantization``, because an adapter is trained on the base as it is served."""

RECIPE_SETTINGS: dict[str, Setting] = {FIGURES[name].key: FIGURES[name] for name in RECIPE_KEYS}
"""Those settings, as the recipe declares them. An unset figure is the preset's."""

ALL_SETTINGS: dict[str, Setting] = {**SETTINGS, **RECIPE_SETTINGS}
"""Every setting, by its key without a role."""

G = TypeVar("G", bound=Group)


def check_setting(key: str, value: Any) -> Any:
    """The value in the setting's type. Raises ``BadSetting`` for an unknown key or a value that it does not take."""
    declaration = check_key(key)
    if declaration.key in RECIPE_SETTINGS and value in (None, ""):
        return None
    return declaration.check(key, value)


def check_key(key: str) -> Setting:
    """The setting of the key, with or without a role. Raises ``BadSetting`` where there is none."""
    bare = without_role(current_key(key))
    declaration = ALL_SETTINGS.get(bare)
    if declaration is None:
        if reason := RETIRED.get(bare):
            raise BadSetting(f"{key} {reason}")
        shown = key if key.isprintable() else ascii(key)  # lone surrogates and line breaks would break the line
        close = get_close_matches(bare, ALL_SETTINGS, n=2)
        meant = f"; close to it: {', '.join(close)}" if close else ""
        raise BadSetting(f"{shown} is not a setting{meant}", hint=Hint.SEE_SETTINGS)
    if role_of(key) and not declaration.is_per_role:
        raise BadSetting(f"{key} cannot be set for one role alone; set {bare}")
    return declaration


def is_setting(key: str) -> bool:
    """Whether the key is a setting, with or without a role."""
    try:
        check_key(key)
    except BadSetting:
        return False
    return True


def check_together(policy: Policy, bare: str) -> None:
    """Raise ``BadSetting`` where a changed ramp does not begin over the first share, but for the default ramp, and where a role
    has a model of its own without an endpoint."""
    for role in (None, *ROLES) if bare in ("canary.ramp", "canary.weight_percent") else ():
        canary = policy.canary(role)
        is_default = canary.ramp == SETTINGS["canary.ramp"].default
        if not is_default and (wrong := complain_of_first_step(canary.ramp, canary.weight_percent)):
            raise BadSetting(f"canary.ramp {canary.ramp}{f' of role {role}' if role else ''} {wrong}")
    if bare in ("model.endpoint", "model.backend"):
        _check_endpoints(policy)
    for role in ROLES if bare in ("model.base", "model.endpoint", "model.backend") else ():
        if f"{role}.model.base" in policy.changed and policy.role_model(role) is None:
            raise BadSetting(
                f"{role}.model.base names a model at an endpoint, and there is none; set {role}.model.endpoint first, or set "
                "model.base, which is for all roles"
            )


def _check_endpoints(policy: Policy) -> None:
    """Raise ``BadSetting`` for several endpoints where one is asked."""
    for role in (None, *ROLES):
        key, value = policy.find("model.endpoint", role)
        is_one = role is not None and key != "model.endpoint"
        if len(split_endpoints(value)) > 1 and (is_one or policy.model.backend == Backend.ENDPOINT):
            why = "the model of one role is at one endpoint" if is_one else "model.backend openai asks one endpoint"
            raise BadSetting(f"{key} cannot be {value!r}: {why}; set it to one URL")


@dataclass(frozen=True)
class Policy:
    """The settings in force at one moment: the changes over the defaults.

    Each group of settings has a typed accessor. With a role it returns the role's own values where they are set.
    """

    changed: Mapping[str, Any] = field(default_factory=dict)
    _groups: dict[tuple[type[Group], str | None], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def get(self, key: str, role: str | None = None) -> Any:
        """The value for the role, else for all roles, else the default; None for an unset recipe figure.

        For listings, which take any key. Code that uses a value reads it from its group.
        """
        return self.find(key, role)[1]

    def find(self, key: str, role: str | None = None) -> tuple[str, Any]:
        """The full key of the setting that is in force for the role, and its value."""
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
            values = {item.name: self.find(f"{kind.PREFIX}.{item.name}", role)[1] for item in dataclasses.fields(kind)}
            group = self._groups[kind, role] = kind(**values)
        return group

    def rating(self, role: str | None) -> RatingSettings:
        """Settings of the role's ratings and breaches."""
        return self._group(RatingSettings, role)

    @property
    def implicit(self) -> ImplicitSettings:
        """Settings of implicit ratings."""
        return self._group(ImplicitSettings)

    @property
    def schedule(self) -> ScheduleSettings:
        """Settings of scheduled checks."""
        return self._group(ScheduleSettings)

    def sessions(self, role: str | None) -> SessionSettings:
        """Settings of imported sessions."""
        return self._group(SessionSettings, role)

    def run(self, role: str | None) -> RunSettings:
        """Settings of the role's runs and steps."""
        return self._group(RunSettings, role)

    @property
    def model(self) -> ModelSettings:
        """Settings of the base model."""
        return self._group(ModelSettings)

    def role_model(self, role: str) -> RoleEndpoint | None:
        """The role's own model, with its endpoint or, where all models are at one, that of all roles; None without one."""
        endpoint, name = (self.changed.get(f"{role}.model.{what}") for what in ("endpoint", "base"))
        general = self.model.endpoint if self.is_remote and name is not None else None
        return None if endpoint is None and general is None else RoleEndpoint(endpoint or general or "", name)

    @property
    def environment(self) -> EnvironmentSettings:
        """Where the agent works."""
        return self._group(EnvironmentSettings)

    @property
    def weights(self) -> WeightsSettings:
        """Settings of the weight registry."""
        return self._group(WeightsSettings)

    @property
    def registry(self) -> RegistrySettings:
        """Settings of the registry that adapters are pushed to."""
        return self._group(RegistrySettings)

    def teacher(self, role: str | None) -> TeacherSettings:
        """Settings of the role's teacher."""
        return self._group(TeacherSettings, role)

    def judge(self, role: str | None) -> JudgeSettings:
        """Settings of the role's judge model."""
        return self._group(JudgeSettings, role)

    @property
    def read(self) -> ReadSettings:
        """Settings of words that are read on pictures."""
        return self._group(ReadSettings)

    @property
    def audio(self) -> AudioSettings:
        """Settings of speech that is heard."""
        return self._group(AudioSettings)

    def training(self, role: str | None) -> TrainingSettings:
        """Settings of the role's trainings; the recipe is in ``recipe_figures``."""
        return self._group(TrainingSettings, role)

    def launch(self, role: str | None) -> LaunchSettings:
        """Settings of where the role's trainings run."""
        return self._group(LaunchSettings, role)

    def log(self, role: str | None) -> LogSettings:
        """Settings of what is kept of the role's runs."""
        return self._group(LogSettings, role)

    def gateway(self, role: str | None) -> GatewaySettings:
        """Settings of the role's runs of the gateway."""
        return self._group(GatewaySettings, role)

    @property
    def cost(self) -> CostSettings:
        """Settings of training costs."""
        return self._group(CostSettings)

    def gate(self, role: str | None) -> GateSettings:
        """Settings of the gate before traffic."""
        return self._group(GateSettings, role)

    def ab(self, role: str | None) -> AbSettings:
        """Settings of comparisons."""
        return self._group(AbSettings, role)

    def canary(self, role: str | None) -> CanarySettings:
        """Settings of the role's canaries."""
        return self._group(CanarySettings, role)

    def alert(self, role: str | None) -> AlertSettings:
        """Settings of the role's alerts."""
        return self._group(AlertSettings, role)

    @property
    def channels(self) -> ChannelSettings:
        """Settings of the alert channels."""
        return self._group(ChannelSettings)

    @property
    def telemetry(self) -> TelemetrySettings:
        """Settings of what is exported."""
        return self._group(TelemetrySettings)

    @property
    def is_remote(self) -> bool:
        """Whether the model is behind an endpoint."""
        return self.model.backend == Backend.ENDPOINT

    @property
    def quantization(self) -> str:
        """The base's quantization: ``nf4`` or ``none``."""
        if self.model.quantization != "auto":
            return self.model.quantization
        return "none" if self.model.base in SMALL else "nf4"

    def recipe_changes(self, role: str) -> dict[str, Any]:
        """The recipe figures that were set, a role's own before the general ones."""
        return {name: value for name in RECIPE_KEYS if (value := self.get(f"training.{name}", role)) is not None}

    def preset_figure(self, key: str, role: str | None = None) -> Any:
        """The value of an unset ``training.<figure>``: that of the preset in force."""
        return preset(self.training(role).preset, role).to_json()[key.removeprefix("training.")]

    def recipe_figures(self, role: str) -> dict[str, Any]:
        """Every figure of the recipe in force for the role: the preset's and those that were set. Unchecked."""
        figures = preset(self.training(role).preset, role).to_json()
        return {**figures, "quantization": self.quantization, **self.recipe_changes(role)}


def resolve_recipe(policy: Policy, role: str) -> Recipe:
    """The recipe in force for the role. Raises ``InvalidRecipe`` that names each setting out of range.

    ``Settings.change`` accepts no such value, but a log of an older program may hold one.
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
    """Why the role has no valid recipe; empty where it has one."""
    try:
        resolve_recipe(policy, role)
    except InvalidRecipe as error:
        return str(error)
    return ""
