"""Whether a model is available: a folder, a GGUF file, a name on the Hugging Face Hub, or an endpoint and its list of models.

Each check has a time limit, nothing is downloaded, and no answer of a model is paid for.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

from ...adapters.serving.base_model import NO_TEMPLATE, Base
from ...adapters.serving.gguf_model import SUFFIX
from ...adapters.serving.model_folder import complain_of_folder, has_template
from ...domain.aggregates.alert import Failure
from ...domain.settings.forms import KEY_VARIABLES, complain_of_url, split_endpoints
from ...domain.settings.keys import role_of, without_role
from .extras import install_command
from .hub import ask_hub
from .probe import Availability, Reply, ask
from .variables import key_variable

SHOWN = 5
"""Names of served models that a message lists."""


def check_base(base: Base) -> Availability:
    """Whether the local base model is complete, or its Hub name is downloaded or exists."""
    if problem := base.complain():
        return Availability("fail", problem)
    if not base.name and not base.is_local:
        return Availability("fail", f"the embedded model is missing at {base.location}; install grokputer again")
    if base.lacks_template():
        return Availability("fail", f"{base.name} {NO_TEMPLATE}", is_certain=False)
    if base.gguf is not None:
        return Availability("ok", f"{base.name}; it is unpacked at its first use")
    if base.is_local:
        return Availability("ok", f"{base.name or 'embedded'}, {base.fingerprint()[:19]}")
    if _is_path(base.name):
        what = "file" if base.name.lower().endswith(SUFFIX) else "folder"
        return Availability(
            "fail",
            f"there is no {what} {base.name}; set model.base to a folder, a .gguf file, or a name on the Hugging Face Hub",
        )
    if find_spec("huggingface_hub") is None:
        return Availability(
            "fail", f"{base.name} cannot be looked up; {install_command('train')} to use it", is_certain=False
        )
    return _check_download(base)


def _is_path(name: str) -> bool:
    """Whether the name can only be a path. A Hugging Face name is one word, or two with a slash between them."""
    is_file = name.lower().endswith(SUFFIX)
    return is_file or name.startswith(("/", ".", "~")) or name.endswith("/") or name.count("/") > 1 or "\\" in name


def _check_download(base: Base) -> Availability:
    """Whether the base's Hub name is downloaded, or else exists."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE) / f"models--{base.name.replace('/', '--')}"
    commit = base.commit()
    snapshot = folder / "snapshots" / commit
    if not snapshot.is_dir():
        return ask_hub(base)
    if problem := complain_of_folder(snapshot):
        return Availability(
            "warn", f"{base.name} is only partly downloaded: it {problem}; the next use downloads the rest"
        )
    if base.chat_template is None and not has_template(snapshot):
        return Availability("fail", f"{base.name} {NO_TEMPLATE}", is_certain=False)
    return Availability("ok", f"{base.name}, downloaded, {commit[:12]}")


def find_key_variable(setting: str, endpoint: str | None) -> str:
    """The environment variable of the key for the endpoint in this setting: its own, or, where that is not set, that of xAI
    at xAI, and of the agent's model elsewhere."""
    role, general = role_of(setting), KEY_VARIABLES["model.endpoint"]
    own = KEY_VARIABLES[setting] if role is None else f"GROKPUTER_{role.upper()}_KEY"
    return key_variable(endpoint, own, general)


def check_endpoint(endpoint: str | None, names: list[str], setting: str) -> Availability:
    """Whether the endpoint answers and serves all of these names, the model first; ``setting`` is the endpoint's key."""
    if not endpoint:
        return Availability("fail", f"no endpoint; set {setting}")
    if wrong := complain_of_url(endpoint):
        return Availability(
            "fail", f"{endpoint} is not a URL: {wrong}; set {setting} to one, as in https://api.x.ai/v1"
        )
    variable = find_key_variable(setting, endpoint)
    answer = ask(f"{endpoint.rstrip('/')}/models", os.environ.get(variable))
    if isinstance(answer, Failure) or answer.status >= 300:
        return _explain(endpoint, answer, variable, setting, names[0])
    served = _names(answer.body)
    if served is None:
        return Availability(
            "warn", f"{endpoint} answers, but does not list its models; a run shows whether it serves {names[0]}"
        )
    missing = [name for name in names if name not in served]
    if missing:
        shown = ", ".join(sorted(served)[:SHOWN]) + (", ..." if len(served) > SHOWN else "")
        problem = f"does not serve {', '.join(missing)}; it serves {shown or 'nothing'}"
        is_of_model = without_role(setting) == "model.endpoint"
        name_setting = setting.replace(".endpoint", ".base" if is_of_model else ".model")
        # Some servers list nothing and serve what they are asked for.
        return Availability(
            "fail",
            f"{endpoint} {problem}; load it there, or set {name_setting} to one of them",
            is_certain=bool(served),
        )
    return Availability("ok", f"{endpoint} answers and serves {', '.join(names)}")


def check_endpoints(endpoints: str | None, names: list[str], setting: str) -> Availability:
    """Whether each endpoint of the setting, with commas between them, answers and serves all of these names."""
    found = [check_endpoint(endpoint, names, setting) for endpoint in split_endpoints(endpoints) or [""]]
    wrong = [each for each in found if each.result != "ok"]
    return wrong[0] if wrong else Availability("ok", "; ".join(each.found for each in found))


def _explain(endpoint: str, answer: Reply | Failure, variable: str, setting: str, name: str) -> Availability:
    if isinstance(answer, Reply) and answer.status in (401, 403):
        return Availability(
            "fail", f"{endpoint} refuses the key; set the environment variable {variable}", is_certain=False
        )
    if isinstance(answer, Reply) and answer.status in (404, 405, 501):
        return Availability(
            "warn",
            f"{endpoint} answers, but has no list of models (HTTP {answer.status}); a run shows whether it serves {name}",
        )
    reason = answer.reason if isinstance(answer, Failure) else f"HTTP {answer.status}"
    return Availability(
        "fail", f"{endpoint} does not answer ({reason}); start the server, or set {setting}", is_certain=False
    )


def _names(answer: str) -> set[str] | None:
    """The names of the served models; None where the answer is not a list of models."""
    try:
        return {str(row["id"]) for row in json.loads(answer)["data"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
