"""The one place that chooses implementations: of the model, the environments and the weight registry.

Each is created at first use, so a command that only reads the log loads no model and starts no browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ...domain.aggregates.adapter import describe_tuned
from ...domain.errors import EnvironmentUnavailable, Hint, ModelError, NotServed, UnknownAdapter
from ...domain.page.media import read_url
from ...domain.ports import Environment, Model, RoleModel, Teacher, TrainingLauncher, WeightRegistry
from ...domain.settings.running import ModelSettings
from ...domain.settings.settings import Policy
from ...domain.vocabulary import Backend
from ...projections.state.state import State
from ...projections.wording.sentences import say_names
from ..environments.desktop.options import Options, read_size
from ..environments.elsewhere import Elsewhere
from ..store.ledger import Ledger
from .availability import find_key_variable
from .environments import ELSEWHERE, locate_task, open_environment
from .extras import require
from .launchers import open_launcher
from .models import Say, label_base, open_model
from .models import base_of as base_of
from .models import prepare_base as prepare_base
from .registries import obtain_weights, open_registry
from .senses import open_listener
from .served import LoggedServing
from .task_folders import task_folders

if TYPE_CHECKING:
    from ...adapters.serving.base_model import Base
    from ...adapters.training.job import TrainingJobSpec, TrainingResult
    from ...projections.state.registry import Adapter


def identify_base(base: Base) -> str:
    """The base's weights and quantization, which an adapter must match."""
    return base.identity()


T = TypeVar("T")


class Services:
    """The model, the environments and the weight registry of one log. Close it, or use it as a context manager.

    ``say`` is told what takes long at the first use of a model.
    """

    def __init__(self, ledger: Ledger, state: State, say: Say = lambda line: None) -> None:
        self.ledger = ledger
        self._say = say
        self.state = state
        self._model: Model | None = None
        self._model_settings: ModelSettings | None = None
        self._environments: dict[str, tuple[Path | None, Environment]] = {}
        """The open environments by name, with the folder of tasks that each was opened on."""
        self._beside: dict[tuple[object, ...], Teacher] = {}
        """The open models beside the agent's own, by setting, endpoint, name and limits."""
        self._of_roles: dict[tuple[str, str, str], RoleModel] = {}
        """The open models of roles, by role, endpoint and name."""
        self._base_label: str | None = None
        self.display = ""
        """A person's display, on which a desktop works in place of a private one; empty for none."""

    @property
    def store(self) -> WeightRegistry:
        """The registry with the weights of this log's adapters."""
        return open_registry(self.state.policy, self.ledger.path)

    def launcher(self, role: str, place: str, name: str) -> TrainingLauncher[TrainingJobSpec, TrainingResult]:
        """The launcher of the role's trainings at the place, a ``vocabulary.Place``, for the attempt of this name.

        Raises ``TrainingError`` for settings that lack something.
        """
        return open_launcher(self.state.policy.launch(role), place, name)

    @property
    def model(self) -> Model:
        """The model in the settings, loaded at first use and again when its settings change. Raises ``ModelError``."""
        policy = self.state.policy
        settings = policy.model
        if self._model is None or self._model_settings != settings:
            self._close_model()
            self._model_settings, self._base_label = settings, None
            served = LoggedServing(self.ledger, lambda: self.state)
            self._model = open_model(policy, self.ledger.get_content, self._say, served)
        return self._model

    @property
    def base_label(self) -> str:
        """The base that a run records; see ``label_base``."""
        if self._base_label is None:
            self._base_label = label_base(self.state.policy, self.ledger.get_content)
        return self._base_label

    def teacher(self, policy: Policy, role: str) -> Teacher | None:
        """The role's teacher in the settings; None where there is none.

        Its key comes from ``GROKPUTER_TEACHER_KEY``, or, where that is not set, from ``OPENAI_API_KEY``.
        """
        settings = policy.teacher(role)
        return self._open_beside("teacher.endpoint", settings.endpoint, settings.model)

    def judge(self, policy: Policy, role: str) -> Teacher | None:
        """The role's judge model in the settings; None where there is none.

        Its key comes from ``GROKPUTER_JUDGE_KEY``, or, where that is not set, from ``OPENAI_API_KEY``. It does not repeat a
        failed request: its caller asks again later.
        """
        settings = policy.judge(role)
        limits = {"timeout_s": settings.timeout_s, "retries": 0}
        return self._open_beside("judge.endpoint", settings.endpoint, settings.model, **limits)

    def transcribe(self, sound: str) -> str:
        """The words of a sound, given as a ``data:`` URL, for a model that takes no sounds. What was heard is said.

        Raises ``MissingExtra``, ``BadAudio``, and ``ModelError``, also where no words were heard.
        """
        heard = open_listener(self.state.policy).transcribe(read_url(sound)[1])
        if not (words := heard.text.strip()):
            raise ModelError(
                f"the model {self.base_label} takes no sounds, and no words were heard in this one; give a recording of "
                "clear speech, or the task in words"
            )
        sure = "" if heard.confidence is None else f", with confidence {heard.confidence:.2f}"
        self._say(f'heard{sure}: "{words}"')
        return words

    def beside(self, role: str) -> RoleModel | None:
        """The role's own model in the settings; None where the model of all roles makes its steps.

        Its key comes from ``GROKPUTER_<ROLE>_KEY``, or, where that is not set, from ``OPENAI_API_KEY``. Raises ``ModelError``.
        """
        own = self.state.policy.role_model(role)
        if own is None:
            return None
        if own.name is None:
            raise ModelError(
                f"{role}.model.endpoint is set, and {role}.model.base is not; set it to a model's name there"
            )
        key = (role, own.endpoint, own.name)
        if key not in self._of_roles:
            require("endpoint")
            from ...adapters.serving.remote import RemoteModel

            model = RemoteModel(
                own.endpoint, own.name, key_variable=find_key_variable(f"{role}.model.endpoint", own.endpoint)
            )
            self._of_roles[key] = RoleModel(model, f"{own.name}@{own.endpoint}")
        return self._of_roles[key]

    def _open_beside(self, setting: str, endpoint: str | None, name: str | None, **limits: Any) -> Teacher | None:
        """The model at the endpoint of the setting, opened at its first use; None where the settings do not name it."""
        if endpoint is None or name is None:
            return None
        key = (setting, endpoint, name, *limits.values())
        if key not in self._beside:
            require("endpoint")
            from ...adapters.serving.remote import RemoteModel

            self._beside[key] = RemoteModel(endpoint, name, key_variable=find_key_variable(setting, endpoint), **limits)
        return self._beside[key]

    def environment(self, name: str, *, is_headed: bool = False) -> Environment:
        """The named environment, started at first use, then with its window where that is wanted.

        Raises ``EnvironmentUnavailable`` for an unknown name.
        """
        folders = self.task_folders
        opened = self._environments.get(name)
        if opened is None or opened[0] != folders.get(name):
            if opened is not None:  # the setting names another folder now
                opened[1].close()
            environment = open_environment(name, folders, self._desktop, is_headed=is_headed)
            opened = self._environments[name] = folders.get(name), environment
        return opened[1]

    def environment_of_many(self, name: str) -> Environment:
        """The named environment for many runs that no person looks at: on the Ray cluster, where a setting names one.

        Raises as ``environment`` does, and ``MissingExtra``.
        """
        chosen = self.state.policy.environment
        if chosen.ray_address is None or name not in ELSEWHERE:
            return self.environment(name)
        require("ray")
        key = f"{name} on {chosen.ray_address}"
        if key not in self._environments:
            make = partial(open_environment, name, {}, self._desktop)
            self._environments[key] = None, Elsewhere(make, chosen.ray_address, chosen.ray_actors)
        return self._environments[key][1]

    @property
    def _desktop(self) -> Options:
        """The options of a desktop."""
        chosen = self.state.policy.environment
        return Options(read_size(chosen.desktop_size), chosen.desktop_input, self.display, chosen.desktop_lines)

    @property
    def task_folders(self) -> dict[str, Path]:
        """The folders of tasks in the settings, by their names."""
        return task_folders(self.state.policy, self.ledger.path)

    def locate(self, task: str) -> tuple[str, str]:
        """The environment and the task that are meant where no environment is named; see ``locate_task``."""
        return locate_task(task, self.task_folders)

    def prepare(self, adapter: str | None) -> None:
        """Load the adapter, with its weights verified; None is the base, which needs nothing.

        Raises ``UnknownAdapter``, ``DamagedWeights``, and ``ModelError`` for an adapter of another base. Where weights
        cannot be loaded from here, also ``ModelError`` for an adapter that is not served: an endpoint may answer any
        name, perhaps with another model. Raises ``NotServed`` where the model serves no adapters, or not this one of an
        endpoint's, and ``EnvironmentUnavailable`` where that endpoint does not answer.
        """
        if adapter is None:
            return
        known = self.state.registry.adapters.get(adapter)
        if known is None:
            raise UnknownAdapter(unknown_adapter(adapter, self.state.registry.adapters))
        own = self.beside(known.role)
        if own is not None:
            if not own.serves(adapter):
                raise NotServed(
                    f"{adapter} is not available: {own.label}, the model of role {known.role}, does not serve it"
                )
            return
        if known.is_tuned:
            self._require_tuned(known)
            return
        server, trained_on = self.model.adapters, f"{known.base} ({known.base_hash[:19]})"
        if server is None:
            raise NotServed(
                f"{adapter} is not available: {self.base_label} serves no adapters; set model.backend to local"
            )
        if server.serves(adapter):
            return
        if server.base_hash not in (None, known.base_hash):
            raise ModelError(
                f"{adapter} was trained on {trained_on}, which is not the base in the "
                "settings; set model.base and model.quantization back, or promote an adapter of this base"
            )
        if not server.can_load:
            raise ModelError(
                f"{adapter} was trained on {trained_on}, and {self.state.policy.model.endpoint} does not serve it; set "
                "model.backend to local, or load the adapter there under its name"
            )
        server.load(adapter, obtain_weights(self.state, self.ledger.path, known))

    def _require_tuned(self, known: Adapter) -> None:
        """Raise ``NotServed`` where the model that an endpoint keeps as this adapter is not served there, or the settings name
        another endpoint; ``EnvironmentUnavailable`` where the endpoint does not answer."""
        settings, kept = self.state.policy.model, describe_tuned(known.name, known.endpoint, known.model)
        if settings.backend != Backend.ENDPOINT or settings.endpoint != known.endpoint:
            raise NotServed(f"{kept}; set model.backend to openai and model.endpoint to that")
        server = self.model.adapters
        try:
            is_served = server is not None and server.serves(known.name)
        except ModelError as error:
            raise EnvironmentUnavailable(str(error)) from error
        if not is_served:
            raise NotServed(f"{kept}, and does not list it any more; roll it back, or train again")

    def make_room(self) -> None:
        """Give up memory that a training needs: close a model on the GPU, which is loaded again at the next use, and return
        what a model on the CPU has freed."""
        if self._model is None:
            return
        if self._model.is_on_gpu:
            self._close_model()
        from ...adapters.serving.base_model import return_freed_memory

        return_freed_memory()

    def close(self) -> None:
        """Close the environments, the teachers, the judges and the model."""
        for _, environment in self._environments.values():
            environment.close()
        self._environments.clear()
        for model in self._beside.values():
            model.close()
        for own in self._of_roles.values():
            own.model.close()
        self._beside.clear()
        self._of_roles.clear()
        self._close_model()

    def _close_model(self) -> None:
        closing, self._model = self._model, None
        if closing is not None:
            closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def require_adapter(name: str, known: Mapping[str, T], where: str = "") -> T:
    """What is known of the adapter. Raises ``UnknownAdapter``, with ``where`` before its line."""
    if name not in known:
        raise UnknownAdapter(where + unknown_adapter(name, known), hint=Hint.SEE_ADAPTERS)
    return known[name]


def unknown_adapter(name: str, known: Iterable[str]) -> str:
    """One line for an adapter that is not registered."""
    return f"adapter {name} is not registered; {say_names(known)}"
