"""The doctor: checks everything that the program needs, and tells what to do where something is missing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import typer

from ....domain.errors import GrokputerError
from ....domain.settings.settings import ROLES
from ....domain.vocabulary import OPEN_TRAININGS, UNJUDGED, AdapterStatus, Backend, DeliveryStatus
from ...store.place import open_store, read_place
from ...wiring.extras import install_command
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, open_log
from ..rendering import Column, print_json, print_table
from .packages import EXTRAS, PACKAGES

if TYPE_CHECKING:
    from ....domain.settings.settings import Policy
    from ....projections.state.state import State
    from ...store.log import Log

ROOM_GB = 2.0
"""Free disk space under which the doctor warns; chosen: a training's checkpoints of the embedded model many times over."""


class Check(NamedTuple):
    """One check: its name, ``ok``, ``warn`` or ``fail``, and what was found, with what to do about it."""

    name: str
    result: str
    found: str


def doctor(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Check the machine, the packages, the log, the models and the weights; each line tells what to do.

    Models are looked up where they are: in a folder, among the downloads, on the Hugging Face Hub or at an endpoint, for at
    most two seconds each. Exits with 1 when something fails.

    \b
    Examples:
      grokputer doctor
      grokputer doctor --db events.db --json
    """
    checks = [
        _check_python(),
        *_check_packages(),
        *_check_plugins(),
        _check_browser(),
        _check_sandbox(),
        _check_desktop(),
        _check_disk(db),
        *_check_log(db),
    ]
    if as_json:
        print_json([check._asdict() for check in checks])
    else:
        print_table(("check", "result", Column("found", wraps=24)), checks)
    if any(check.result == "fail" for check in checks):
        raise typer.Exit(1)
    if not as_json:
        suggest("init" if open_store(read_place(db)).is_blank() else "status", db)


def _check_python() -> Check:
    running = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036 - an installation may be run by another Python than it was made for
        return Check("python", "fail", f"{running}; install Python 3.11 or newer")
    return Check("python", "ok", running)


def _check_packages() -> Iterator[Check]:
    for name, purpose in PACKAGES.items():
        yield _check_package(name, purpose, "fail", f"pip install {name}")
    for name, (extra, purpose) in EXTRAS.items():
        yield _check_package(name, purpose, "warn", f"{install_command(extra)} to have it")


def _check_package(name: str, purpose: str, otherwise: str, command: str) -> Check:
    try:
        return Check(name, "ok", f"{version(name)}, {purpose}")
    except PackageNotFoundError:
        return Check(name, otherwise, f"not installed; it {purpose}; run {command}")


def _check_plugins() -> Iterator[Check]:
    """Check each part that another package offers: it is loaded, but not started."""
    from ...wiring import environments, models, registries
    from ...wiring.plugins import GROUPS, list_plugins

    own: dict[str, Collection[str]] = {"environment": environments.OWN, "model": models.OWN, "registry": registries.OWN}
    for kind in GROUPS:
        for plugin in list_plugins(kind):
            name = f"{kind} {plugin.name}"
            if plugin.name in own[kind]:
                yield Check(name, "warn", f"the one of package {plugin.package} is never used: the program has its own")
                continue
            try:
                plugin.load()
                yield Check(name, "ok", f"of package {plugin.package}")
            except GrokputerError as error:
                yield Check(name, "warn", str(error))


def _check_browser() -> Check:
    from ...environments.browser import find_browser

    try:
        return Check("browser", "ok", find_browser())
    except GrokputerError as error:
        return Check("browser", "fail", str(error))


def _check_sandbox() -> Check:
    from ...environments.sandbox.choice import find_sandbox

    try:
        return Check("sandbox", "ok", f"commands run in {find_sandbox().name}")
    except GrokputerError as error:
        return Check("sandbox", "warn", str(error))


def _check_desktop() -> Check:
    from ...environments.desktop.programs import find_missing
    from ...environments.desktop.screen.borrowed import check_library
    from ...environments.desktop.screen.parts import check_programs

    try:
        check_programs()
        if find_spec("Xlib") is not None:
            check_library()
    except GrokputerError as error:
        return Check("desktop", "warn", str(error))
    if missing := find_missing():
        effects = "; ".join(dict.fromkeys(each.effect for each in missing))
        packages = " ".join(sorted(each.package for each in missing))
        return Check(
            "desktop", "warn", f"a private screen can be started, but {effects}; run: apt-get install {packages}"
        )
    return Check("desktop", "ok", "a private screen can be started")


def _check_disk(db: str) -> Check:
    folder = open_store(read_place(db)).path.resolve().parent
    if not folder.is_dir():
        return Check("disk", "fail", f"there is no folder {folder}; make it, or name another with --db")
    free = shutil.disk_usage(folder).free / 1e9
    if free < ROOM_GB:
        return Check("disk", "warn", f"{free:.1f} GB free in {folder}; make room before the next training")
    return Check("disk", "ok", f"{free:.1f} GB free")


def _check_log(db: str) -> Iterator[Check]:
    """Check the log, its triggers, its worker, and what it names: models, channels and the weights of every adapter."""
    place = read_place(db)
    store = open_store(place)
    try:
        if store.is_blank():
            yield Check("log", "warn", f"no log at {place} yet; make one with 'grokputer init'")
            return
        findings = store.examine()
        yield Check(*next(findings))
        log = open_log(db)
        yield from (Check(*finding) for finding in findings)
        from ....projections.state.state import State
        from ...store.states import fold

        state = fold(log, State())
        yield Check("events", "ok", f"{state.position} events, all readable")
    except GrokputerError as error:
        yield Check("log", "fail", str(error))
        return
    yield _check_worker(log, state)
    yield from _check_models(state, log)
    yield from _check_channels(state)
    yield from _check_weights(log, state)
    yield from _check_process(state)
    yield from _check_registry(state)


def _check_worker(log: Log, state: State) -> Check:
    """Check whether a worker has the log's lease, and what waits for one."""
    from ...store.port import LEASE

    waiting = sum(training.status in OPEN_TRAININGS for training in state.registry.trainings.values())
    waiting += sum(adapter.status in UNJUDGED for adapter in state.registry.adapters.values())
    if (worker := log.database.holder(LEASE)) is not None:
        return Check("worker", "ok", f"{worker} is at work, {waiting} waiting")
    if waiting:
        return Check(
            "worker", "warn", f"none is at work, and {waiting} trainings or adapters wait; start 'grokputer work'"
        )
    return Check("worker", "ok", "none is at work, and nothing waits for one")


def _check_models(state: State, log: Log) -> Iterator[Check]:
    """Check the model of the runs, and what hears, teacher and judge where they are set: in a folder, or at an endpoint."""
    from ...environments.senses.remote_listener import MODEL
    from ...wiring.availability import check_endpoint, check_endpoints

    policy = state.policy
    if policy.model.backend not in tuple(Backend):
        yield Check("model", "ok", f"of the plug-in {policy.model.backend}; a run asks it")
    elif policy.model.backend == Backend.VLLM:  # it loads adapters where they are missing
        yield Check("model", *check_endpoints(policy.model.endpoint, [policy.model.base], "model.endpoint")[:2])
    elif policy.model.backend == Backend.ENDPOINT:
        used = [
            adapter.model or name
            for name, adapter in state.registry.adapters.items()
            if adapter.status in (AdapterStatus.LIVE, AdapterStatus.CANARY)
        ]
        names = [policy.model.base, *used]
        yield Check("model", *check_endpoint(policy.model.endpoint, names, "model.endpoint")[:2])
    else:
        yield _check_local(policy, log)
    if policy.audio.endpoint is not None:
        yield Check(
            "audio", *check_endpoint(policy.audio.endpoint, [policy.audio.model or MODEL], "audio.endpoint")[:2]
        )
    asked = set()
    for role in ROLES:
        if (own := policy.role_model(role)) is not None:
            yield Check(
                f"model of {role}", *check_endpoint(own.endpoint, [own.name or ""], f"{role}.model.endpoint")[:2]
            )
        for kind, beside in (("teacher", policy.teacher(role)), ("judge", policy.judge(role))):
            endpoint, name = beside.endpoint, beside.model
            if endpoint is None or name is None or (kind, endpoint, name) in asked:
                continue
            asked.add((kind, endpoint, name))
            yield Check(kind, *check_endpoint(endpoint, [name], f"{kind}.endpoint")[:2])


def _check_local(policy: Policy, log: Log) -> Check:
    from ...wiring.availability import check_base
    from ...wiring.models import base_of

    try:
        return Check("model", *check_base(base_of(policy, log.get_content))[:2])
    except GrokputerError as error:
        return Check("model", "fail", str(error))


def _check_channels(state: State) -> Iterator[Check]:
    """Check whether alerts can be sent, by settings and secrets alone; nothing is sent."""
    from ....domain.aggregates.alert import CHANNELS
    from ...alerts.channels import open_channel

    channels = [*state.policy.channels.targets]
    if not channels:
        yield Check("alerts", "ok", f"printed by 'grokputer work' alone; {' and '.join(CHANNELS.values())} are not set")
    for name in channels:
        try:
            to = open_channel(name, state.policy).to
        except GrokputerError as error:
            yield Check(name, "fail", f"alerts wait: {error}")
            continue
        if to.startswith("http://") and not to.startswith(("http://127.", "http://localhost", "http://[::1]")):
            yield Check(name, "warn", f"{to} is not encrypted: a listener can read alerts, but not forge them")
        else:
            yield Check(name, "ok", f"to {to}; 'grokputer alerts test' tries it")
    lost = sum(
        delivery.status == DeliveryStatus.GIVEN_UP
        for alert in state.alerts.open()
        for delivery in alert.deliveries.values()
    )
    if lost:
        yield Check("deliveries", "warn", f"{lost} given up; see 'grokputer alerts'")


def _check_weights(log: Log, state: State) -> Iterator[Check]:
    from ...wiring.registries import open_registry

    try:
        store = open_registry(state.policy, log.path)
    except GrokputerError as error:
        yield Check("weights", "fail", str(error))
        return
    for name, adapter in state.registry.adapters.items():
        if adapter.is_tuned:
            yield Check(name, "ok", f"the model {adapter.model} at {adapter.endpoint}, which keeps its weights")
            continue
        try:
            store.path(adapter.weights)
            yield Check(name, "ok", f"{adapter.weights[:19]}, as stored")
        except GrokputerError as error:
            # Missing weights of an adapter without traffic affect no run.
            is_used = adapter.status in (AdapterStatus.LIVE, AdapterStatus.CANARY)
            yield Check(name, "fail" if is_used else "warn", str(error))


def _check_process(state: State) -> Iterator[Check]:
    """Check what environment variables choose for this process: each value in force with its source. No key is shown."""
    from ...wiring.services import unknown_adapter
    from ...wiring.variables import LORA_VERSION, XAI_API_KEY, find_key, pinned_adapter

    pinned, known = pinned_adapter(), state.registry.adapters
    if pinned is None:
        yield Check("adapter", "ok", f"as the traffic decides; {LORA_VERSION} is not set")
    elif pinned == "base" or pinned in known:
        yield Check("adapter", "ok", f"{pinned}, from {LORA_VERSION}: this process is pinned to it")
    else:
        yield Check("adapter", "fail", f"{LORA_VERSION}: {unknown_adapter(pinned, known)}")
    endpoint = state.policy.model.endpoint if state.policy.is_remote else None
    if endpoint is not None:
        variable, is_set = find_key(endpoint)
        yield Check("key", "ok", f"for {endpoint} from {variable}" + ("" if is_set else ", which is not set"))
    elif find_key(None, XAI_API_KEY).is_set:
        yield Check(
            "key", "ok", f"{XAI_API_KEY} is set; it is for model.endpoint https://api.x.ai/v1, which is not in use"
        )


def _check_registry(state: State) -> Iterator[Check]:
    """Check whether the registry that adapters are published in answers, and what it lacks."""
    from ....domain.aggregates.alert import Failure
    from ...alerts.deadline import within
    from ...improvement.publishing import not_pushed
    from ...wiring.probe import LIMIT_S
    from ...wiring.registries import open_published
    from ...wiring.variables import registry_url

    def ask() -> str | Failure:
        try:
            published = open_published(state.policy)
            if published is not None:
                published.find(next(iter(state.registry.adapters), "lora-v1"))
        except GrokputerError as error:
            return Failure(str(error))
        return ""

    try:
        url, source = registry_url(state.policy)
        if url is None:
            yield Check(
                "registry", "ok", "none; set registry.url to publish adapters in a folder, a bucket or on the Hub"
            )
            return
        count = len(not_pushed(state))
        waiting = f"{count} adapter{'' if count == 1 else 's'}"
    except GrokputerError as error:
        yield Check("registry", "fail", str(error))
        return
    answer = within(LIMIT_S, ask)
    if isinstance(answer, Failure):
        yield Check("registry", "warn", f"{url} (from {source}): {answer.reason}; {waiting} to be pushed")
    else:
        lacks = f"; {waiting} to be pushed" if count else ", and has every adapter"
        yield Check("registry", "ok", f"{url} (from {source}) answers{lacks}")
