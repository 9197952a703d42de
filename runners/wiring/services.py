"""The one place where concrete parts are chosen: which model, which environments, where weights lie.

Parts are made when they are first asked for, so a command that only reads the log loads no model and starts no browser.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ...domain.errors import GrokputerError, ModelError, UnknownAdapter
from ...domain.ports import Environment, Model
from ...domain.settings.forms import KEY_VARIABLES
from ...domain.settings.running import ModelSettings
from ...domain.settings.settings import Policy
from ...projections.explain.sentences import say_names
from ...projections.state.state import State
from ..store.ledger import Ledger
from ..store.log import adapters_folder
from .extras import require

if TYPE_CHECKING:
    from ...adapters.registry.local import WeightStore
    from ...adapters.serving.base_model import Base
    from ...adapters.serving.remote import RemoteModel

ENVIRONMENTS = ("chat", "miniwob")


def weight_store(log: Path) -> WeightStore:
    """The weights of a log's adapters."""
    from ...adapters.registry.local import WeightStore

    return WeightStore(adapters_folder(log) / "weights")


def base_of(policy: Policy) -> Base:
    """The base model that the settings name."""
    from ...adapters.serving.base_model import Base

    name = policy.model.base
    return Base(
        name="" if name == "embedded" else name,
        revision=policy.model.revision,
        trust_remote_code=policy.model.trust_remote_code,
        quantization=policy.quantization,
    )


def identify_base(base: Base) -> str:
    """What an adapter fits: the base's weights and how they are quantised."""
    return f"{base.fingerprint()}/{base.quantization}"


class Services:
    """The model, the environments and the weight store of one log. Close it, or use it as a context."""

    def __init__(self, ledger: Ledger, state: State) -> None:
        self.ledger = ledger
        self.state = state
        self._model: Model | None = None
        self._model_settings: ModelSettings | None = None
        self._environments: dict[str, Environment] = {}
        self._teachers: dict[tuple[str, str], RemoteModel] = {}
        self._base_label: str | None = None
        self._served: set[str] = set()
        """Adapters that the endpoint was seen to serve."""

    @property
    def store(self) -> WeightStore:
        """The weights of this log's adapters."""
        return weight_store(self.ledger.path)

    @property
    def model(self) -> Model:
        """The model that the settings name, loaded at the first call and when they change. Raises ``ModelError``."""
        policy = self.state.policy
        wanted = policy.model
        if self._model is None or self._model_settings != wanted:
            self._close_model()
            self._model_settings, self._base_label = wanted, None
            if policy.is_remote:
                require("endpoint")
                from ...adapters.serving.remote import RemoteModel

                endpoint = policy.model.endpoint
                if endpoint is None:
                    raise ModelError("model.backend is openai but model.endpoint is not set; set it to the base URL")
                self._model = RemoteModel(endpoint, policy.model.base)
            else:
                require("train")
                from ...adapters.serving.local import LocalModel

                self._model = LocalModel(base_of(policy))
        return self._model

    @property
    def base_label(self) -> str:
        """What a run records as its base: the name as set and what identifies its weights."""
        if self._base_label is None:
            policy = self.state.policy
            name = policy.model.base
            if policy.is_remote:
                self._base_label = f"{name}@{policy.model.endpoint}"
            else:
                self._base_label = f"{name}@{base_of(policy).fingerprint()}"
        return self._base_label

    def teacher(self, policy: Policy, role: str) -> RemoteModel | None:
        """The teacher that the settings name for the role, None where they name none.

        Its key comes from ``GROKPUTER_TEACHER_KEY``, or where that is not set from ``OPENAI_API_KEY``.
        """
        endpoint, name = policy.teacher(role).endpoint, policy.teacher(role).model
        if endpoint is None or name is None:
            return None
        if (endpoint, name) not in self._teachers:
            require("endpoint")
            from ...adapters.serving.remote import RemoteModel

            own, general = KEY_VARIABLES["teacher.endpoint"], KEY_VARIABLES["model.endpoint"]
            variable = own if os.environ.get(own) else general
            self._teachers[endpoint, name] = RemoteModel(endpoint, name, key_variable=variable)
        return self._teachers[endpoint, name]

    def environment(self, name: str) -> Environment:
        """The named environment, started when it is first used. Raises ``GrokputerError`` for another name."""
        if name not in self._environments:
            if name == "chat":
                from ..environments.chat import Chat

                self._environments[name] = Chat()
            elif name == "miniwob":
                require("browser")
                from ..environments.miniwob.environment import MiniWob

                self._environments[name] = MiniWob()
            else:
                raise GrokputerError(f"{name!r} is not an environment; there are {', '.join(ENVIRONMENTS)}")
        return self._environments[name]

    def prepare(self, adapter: str | None) -> None:
        """Make the adapter ready to be asked for, its weights checked; the bare base always is.

        Raises ``UnknownAdapter``, ``DamagedWeights``, ``ModelError`` for an adapter of another base, and behind an endpoint for
        one that the endpoint does not list: any name would be answered there, perhaps by another model.
        """
        if adapter is None:
            return
        known = self.state.registry.adapters.get(adapter)
        if known is None:
            raise UnknownAdapter(unknown_adapter(adapter, self.state.registry.adapters))
        if self.state.policy.is_remote:
            self._check_served(adapter, known)
            return
        from ...adapters.serving.local import LocalModel

        if isinstance(self.model, LocalModel) and adapter not in self.model.names():
            if known["base_hash"] != identify_base(base_of(self.state.policy)):
                raise ModelError(
                    f"{adapter} was trained on {known['base']} ({known['base_hash'][:19]}), which is not the base that is set "
                    "now; set model.base and model.quantization back, or promote an adapter of this base"
                )
            self.model.load(adapter, self.store.path(known["weights"]))

    def _check_served(self, adapter: str, known: Mapping[str, Any]) -> None:
        from ...adapters.serving.remote import RemoteModel

        model = self.model
        if not isinstance(model, RemoteModel) or adapter in self._served:
            return
        if not model.serves(adapter):
            raise ModelError(
                f"{adapter} was trained on {known['base']} ({known['base_hash'][:19]}), and {model.base_url} does not serve "
                "it; set model.backend to local, or load the adapter there under its name"
            )
        self._served.add(adapter)

    def make_room(self) -> None:
        """Let go of a model that holds a GPU's memory: a training needs it. It is loaded again when it is asked for."""
        if getattr(self._model, "is_on_gpu", False):
            self._close_model()

    def close(self) -> None:
        """End the environments and let the model go."""
        for environment in self._environments.values():
            environment.close()
        self._environments.clear()
        for teacher in self._teachers.values():
            teacher.close()
        self._teachers.clear()
        self._close_model()

    def _close_model(self) -> None:
        closing = getattr(self._model, "close", None)
        self._model = None
        self._served.clear()
        if closing is not None:
            closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def unknown_adapter(name: str, known: Iterable[str]) -> str:
    """One line for an adapter that is not registered."""
    return f"adapter {name} is not registered; {say_names(known)}; see 'grokputer adapters'"
