"""The backends of ``model.backend``, by name: the local model, an endpoint, and those of plug-ins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ...adapters.serving.base_model import Base
from ...adapters.serving.templates import TEMPLATES
from ...domain.errors import BadPlugin, ModelError
from ...domain.ports import Model, NotRecorded, ServedRecord
from ...domain.settings.forms import split_endpoints
from ...domain.settings.running import SMALL
from ...domain.settings.settings import Policy
from ...domain.settings.sizes import resolve_quantization
from ...domain.vocabulary import Backend
from .availability import check_base, find_key_variable
from .extras import require
from .plugins import find_plugin, list_plugins

if TYPE_CHECKING:
    from ...adapters.tuning.api import TuningApi

Content = Callable[[str], str | None]
"""The text under a content key; None where it was erased."""

Say = Callable[[str], None]


def base_of(policy: Policy, content: Content) -> Base:
    """The base model in the settings. Raises ``ModelError`` where the text of its chat template was erased."""
    name, template = policy.model.base, policy.model.chat_template
    text = None if template is None else TEMPLATES.get(template) or content(template)
    if text is None and template is not None:
        raise ModelError("the text of model.chat_template was erased; set it to the file again")
    base = Base(
        name="" if name == "embedded" else name,
        revision=policy.model.revision,
        trust_remote_code=policy.model.trust_remote_code,
        quantization=policy.quantization,
        chat_template=text,
    )
    if policy.model.quantization != "auto" or name in SMALL:
        return base
    return replace(base, quantization=resolve_quantization(policy, base.count_parameters())[0])


def prepare_base(base: Base, say: Say) -> None:
    """Check that the base can be had, and unpack a GGUF that is used for the first time. Raises ``ModelError``."""
    if problem := base.complain():
        raise ModelError(problem)
    if (gguf := base.gguf) is not None:
        gguf.unpack(say)
    elif not base.is_local:
        # A model that was not downloaded: the library says later, after a minute of attempts, and in many words why not.
        found = check_base(base)
        if found.result == "fail" and (found.is_certain or found.is_offline):
            raise ModelError(found.found)


def _open_local(policy: Policy, content: Content, say: Say, served: ServedRecord) -> Model:
    require("train")
    from ...adapters.serving.local import LocalModel

    base = base_of(policy, content)
    prepare_base(base, say)
    return LocalModel(base)


def _open_endpoint(policy: Policy, content: Content, say: Say, served: ServedRecord) -> Model:
    require("endpoint")
    from ...adapters.serving.remote import RemoteModel

    endpoint = policy.model.endpoint
    if endpoint is None:
        raise ModelError("model.backend is openai but model.endpoint is not set; set it to the base URL")
    key_variable = find_key_variable("model.endpoint", endpoint)
    return RemoteModel(endpoint, policy.model.base, key_variable=key_variable, name_there=served.name_there)


def open_tuning(endpoint: str, timeout_s: float = 60.0) -> TuningApi:
    """The fine-tuning API of the endpoint. Raises ``ModelError``, ``MissingExtra``."""
    require("endpoint")
    from ...adapters.serving.remote import RemoteModel
    from ...adapters.tuning.api import TuningApi

    key_variable = find_key_variable("model.endpoint", endpoint)
    return TuningApi(RemoteModel(endpoint, "", key_variable=key_variable, timeout_s=timeout_s, retries=0))


def _open_vllm(policy: Policy, content: Content, say: Say, served: ServedRecord) -> Model:
    require("endpoint")
    from ...adapters.fleet.endpoint import VllmEndpoint
    from ...adapters.fleet.member import Member
    from ...adapters.fleet.model import VllmModel

    urls = split_endpoints(policy.model.endpoint)
    if not urls:
        raise ModelError(
            "model.backend is vllm but model.endpoint is not set; set it to the base URL of a vLLM server, as in "
            "http://localhost:8000/v1, or to several with commas between them"
        )
    members = [Member(VllmEndpoint(url, policy.model.base), served) for url in urls]
    return VllmModel(members, base_of(policy, content).identity(), policy.model.weights_folder)


OWN: dict[str, Callable[[Policy, Content, Say, ServedRecord], Model]] = {
    Backend.LOCAL: _open_local,
    Backend.ENDPOINT: _open_endpoint,
    Backend.VLLM: _open_vllm,
}
"""The program's own backends. No plug-in can replace one."""


def backend_names() -> list[str]:
    """The names of all installed backends, sorted."""
    return sorted({*OWN, *(plugin.name for plugin in list_plugins("model"))})


def open_model(
    policy: Policy, content: Content, say: Say = lambda line: None, served: ServedRecord | None = None
) -> Model:
    """The model in the settings, loaded. ``served`` records what its endpoints do with adapters.

    Raises ``ModelError``. Raises ``BadPlugin`` for an unknown name and for a plug-in that cannot be loaded: this says
    nothing about a model or an adapter.
    """
    backend = policy.model.backend
    if backend in OWN:
        return OWN[backend](policy, content, say, served or NotRecorded())
    plugin = find_plugin("model", backend)
    if plugin is None:
        raise BadPlugin(f"model.backend is {backend!r}; there are {', '.join(backend_names())}; set it to one of them")
    model: Model = plugin.make(policy)
    return model


def label_base(policy: Policy, content: Content) -> str:
    """The base that a run records: the name as set, and the hash of its weights or where it is served."""
    name, backend = policy.model.base, policy.model.backend
    if backend == Backend.LOCAL:
        return f"{name}@{base_of(policy, content).fingerprint()}"
    return f"{name}@{policy.model.endpoint or backend}"
