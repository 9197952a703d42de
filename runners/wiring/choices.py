"""The check of a setting that chooses something outside the log: an implementation, a model, an endpoint, a template.

A value that cannot work is refused. Where that cannot be known now, or another setting may still come, it is taken with
a warning. A check takes two seconds at most.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...adapters.data.plain_files import read_plain_text
from ...adapters.serving.templates import MOST_CHARACTERS, check_template
from ...domain.errors import GrokputerError, ModelError
from ...domain.settings.forms import CHAT_TEMPLATES
from ...domain.settings.keys import role_of, without_role
from ...domain.settings.running import REGISTRY_URL
from ...domain.settings.settings import BadSetting, Policy
from ...domain.vocabulary import Backend
from ..environments.senses.local_listener import NO_FOLDER, complain_of_model
from ..environments.senses.remote_listener import MODEL
from .availability import check_base, check_endpoint, check_endpoints
from .environments import FOR_BENCHMARKS, OWN
from .extras import complain_of_reporter, explain_missing_module
from .models import Content, backend_names, base_of
from .probe import Availability
from .registries import published_folder, registry_names
from .task_folders import SETTING, check_task_folders

AT_ENDPOINTS = (Backend.ENDPOINT, Backend.VLLM)
"""The backends that ask the endpoints in ``model.endpoint``."""

PARTS = {"model.backend": backend_names, "weights.registry": registry_names}
"""The settings that name an implementation, each with the installed names."""


def check_part(key: str, value: object, log: Path) -> None:
    """Refuse an implementation that is not installed, and a folder of tasks that is not there. Raises ``BadSetting``."""
    if key == SETTING:
        check_task_folders(value, log, OWN | FOR_BENCHMARKS)
    if key in PARTS and value not in (names := PARTS[key]()):
        raise BadSetting(
            f"{key} cannot be {value!r}; there are {', '.join(names)} here; install the package that adds it"
        )


def _check_reporter(key: str, policy: Policy, content: Content) -> Availability | None:
    problem = complain_of_reporter(policy.training(role_of(key)).report_to)
    return Availability("fail", problem) if problem else None


def is_choice(key: str) -> bool:
    """Whether the key's value is looked for outside the log."""
    return without_role(key) in _CHECKS


def check_choice(key: str, policy: Policy, content: Content) -> str:
    """A warning about the value of a key that ``is_choice``, in the policy that is about to be in force; empty for none.

    Raises ``BadSetting`` for a value that cannot work, and ``MissingExtra`` where the check needs a library that is missing.
    """
    try:
        found = _CHECKS[without_role(key)](key, policy, content)
    except ModuleNotFoundError as error:
        if (missing := explain_missing_module(error)) is None:
            raise
        raise missing from error
    if found is None or found.result == "ok":
        return ""
    if found.result == "fail" and found.is_certain:
        raise BadSetting(f"{key} cannot be {policy.get(without_role(key), role_of(key))!r}: {found.found}")
    return found.found


def _check_model(key: str, policy: Policy, content: Content) -> Availability | None:
    """Of a name or a revision: the model itself."""
    if (role := role_of(key)) is not None:
        return _check_role_model(key, role, policy)
    backend, endpoint, name = policy.model.backend, policy.model.endpoint, policy.model.base
    if backend == Backend.LOCAL:
        try:
            return check_base(base_of(policy, content))
        except ModelError as error:
            return Availability("fail", str(error), is_certain=False)
    if backend not in AT_ENDPOINTS or endpoint is None or key != "model.base":
        return None
    return check_endpoints(endpoint, [name], "model.endpoint")


def _check_place(key: str, policy: Policy, content: Content) -> Availability | None:
    """Of where the model runs: a warning at most, because its name may be set next."""
    if (role := role_of(key)) is not None:
        return _check_role_model(key, role, policy)
    if policy.model.backend in AT_ENDPOINTS and policy.model.endpoint is None:
        return Availability("warn", "set model.endpoint next")
    if key == "model.endpoint" and policy.model.backend not in AT_ENDPOINTS:
        words = "it is used where model.backend is openai or vllm"
        return Availability("warn", words) if policy.model.endpoint else None
    found = _check_model("model.base", policy, content)
    return found._replace(is_certain=False) if found is not None else None


def _check_role_model(key: str, role: str, policy: Policy) -> Availability | None:
    """Of a role's own model at its endpoint."""
    own = policy.role_model(role)
    if own is None:
        return None
    if own.name is None:
        return Availability("warn", f"set {role}.model.base next")
    found = check_endpoint(own.endpoint, [own.name], f"{role}.model.endpoint")
    if found.result != "ok" and policy.find("model.endpoint", role)[0] == "model.endpoint":
        found = found._replace(found=f"{found.found}; for a model at another endpoint, set {role}.model.endpoint first")
    return found._replace(is_certain=found.is_certain and without_role(key) == "model.base")


def _check_beside(key: str, policy: Policy, content: Content) -> Availability | None:
    """Of a model beside the agent's own: the teacher, or the judge. Nothing before both its settings are there."""
    kind, role = without_role(key).partition(".")[0], role_of(key)
    settings = policy.teacher(role) if kind == "teacher" else policy.judge(role)
    if settings.endpoint is None or settings.model is None:
        return None
    found = check_endpoint(settings.endpoint, [settings.model], f"{kind}.endpoint")
    return found._replace(is_certain=found.is_certain and without_role(key) == f"{kind}.model")


def _check_listener(key: str, policy: Policy, content: Content) -> Availability | None:
    """Of what hears speech: a warning at most, because folder and endpoint share the name of the model."""
    audio = policy.audio
    if audio.endpoint is not None:
        return check_endpoint(audio.endpoint, [audio.model or MODEL], "audio.endpoint")._replace(is_certain=False)
    problem = complain_of_model(Path(audio.model).expanduser()) if audio.model is not None else ""
    also = ", and without audio.endpoint no name of a model is known"
    found = f"{audio.model} {problem}{also if problem == NO_FOLDER else ''}"
    return Availability("fail", found, is_certain=False) if problem else None


def _check_published(key: str, policy: Policy, content: Content) -> Availability | None:
    """Of where adapters are published: a folder can be looked at without keys."""
    folder = None if policy.registry.url is None else published_folder(policy.registry.url)
    if folder is None:
        return None
    try:
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if not nearest.is_dir():
            return Availability("fail", f"{nearest} is a file; give a folder")
    except OSError as error:
        return Availability("warn", f"{folder} cannot be looked at: {error.strerror}")
    return None if nearest == folder else Availability("warn", f"{folder} is not there; the first push makes it")


_CHECKS: dict[str, Callable[[str, Policy, Content], Availability | None]] = {
    "model.base": _check_model,
    "model.revision": _check_model,
    "model.backend": _check_place,
    "model.endpoint": _check_place,
    "teacher.endpoint": _check_beside,
    "teacher.model": _check_beside,
    "judge.endpoint": _check_beside,
    "judge.model": _check_beside,
    "audio.model": _check_listener,
    "audio.endpoint": _check_listener,
    "training.report_to": _check_reporter,
    REGISTRY_URL: _check_published,
}


ONLY_THERE = "a file is read by 'grokputer settings set' alone, on the machine of the log"


def read_template(value: str, *, with_files: bool = True) -> str | None:
    """The text of the template file that the value names; None where the value is a template's name, or none.

    Raises ``BadSetting`` for a file that is missing or is no template, and without ``with_files`` for every file.
    """
    if not value or value in CHAT_TEMPLATES:
        return None
    key = "model.chat_template"
    if not with_files:
        raise BadSetting(f"{key} takes {', '.join(CHAT_TEMPLATES)} here; {ONLY_THERE}")
    text = _read_file(key, value, Path(value), f"{', '.join(CHAT_TEMPLATES)}, or a file", "a template")
    try:
        check_template(text)
    except GrokputerError as error:
        raise error if isinstance(error, BadSetting) else BadSetting(f"{key} cannot be {value!r}: {error}") from error
    return text


def read_words(key: str, value: str, what: str, *, with_files: bool = True) -> str | None:
    """The text that the value names: that of a file, or the value's own words; None where it is empty.

    ``what`` says what the text is, such as ``instructions``.

    A file is named as ``@FILE``, or by the path of one that exists. Without ``with_files``, a path is taken as words, and
    ``@FILE`` is refused. Raises ``BadSetting`` for a file that is missing or cannot be read, and for a text without words.
    """
    if not value:
        return None
    if not with_files and value.startswith("@"):
        raise BadSetting(f"{key} takes words here; {ONLY_THERE}")
    file = Path(value[1:]) if value.startswith("@") else _file_at(value) if with_files else None
    text = value if file is None else _read_file(key, value, file, "words, or a file as in @FILE", what)
    if not text.strip():
        raise BadSetting(f"{key} cannot be {value!r}: it has no words; unset it to give no {what}")
    if len(text) > MOST_CHARACTERS:
        raise BadSetting(f"{key} cannot have {len(text)} characters; it takes {MOST_CHARACTERS} at most")
    return text.strip()


def _file_at(value: str) -> Path | None:
    """The file with this path; None where there is none."""
    try:
        return Path(value) if Path(value).exists() and not Path(value).is_dir() else None
    except (OSError, ValueError):  # words that no file can be called
        return None


def _read_file(key: str, value: str, file: Path, takes: str, kind: str) -> str:
    """The text of the file. Raises ``BadSetting`` where it cannot be read, or is far too long."""
    try:
        if file.stat().st_size > 4 * MOST_CHARACTERS:
            raise BadSetting(f"{key} cannot be {value!r}: it is too large for {kind}")
        return read_plain_text(file)
    except FileNotFoundError:
        raise BadSetting(f"{key} cannot be {value!r}: there is no such file; it takes {takes}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise BadSetting(f"{key} cannot be {value!r}: {reason}") from error
