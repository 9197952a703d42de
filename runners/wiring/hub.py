"""Whether the Hugging Face Hub has a model, and lets this user have it. Nothing is downloaded."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

from ...adapters.serving.base_model import Base
from ...domain.aggregates.alert import Failure
from . import asking
from .asking import NO_CONNECTION, Answer, Availability, ask

MOST_RENAMES = 3
"""Redirects that are followed on the Hub itself; chosen."""


def ask_hub(base: Base) -> Availability:
    """Whether the Hub has the base's name and revision, in a form that can be used here, for this user."""
    from huggingface_hub import get_token
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    lead = f"{base.name} is not a folder and is not downloaded"
    if HF_HUB_OFFLINE:
        return Availability(
            "fail", f"{lead}, and HF_HUB_OFFLINE is set; unset it, or set model.base", False, is_offline=True
        )
    token, ends = get_token(), time.monotonic() + asking.LIMIT_S
    at = f" at revision {base.revision}" if base.revision else ""
    path = f"/revision/{quote(base.revision, safe='')}" if base.revision else ""
    answer = _follow(f"{ENDPOINT}/api/models/{quote(base.name)}{path}", ENDPOINT, token, ends)
    if isinstance(answer, Failure):
        return Availability(
            "fail",
            f"{lead}, and {ENDPOINT} cannot be asked ({answer.reason}); check the network, or set model.base",
            is_certain=False,
            is_offline=answer.reason.startswith(NO_CONNECTION),
        )
    if answer.status in (401, 403, 404):
        return _explain(answer, base, lead, at, ENDPOINT, token)
    if answer.status >= 400:
        return Availability(
            "fail",
            f"{lead}, and {ENDPOINT} cannot be asked (HTTP {answer.status}); check the network, or set model.base",
            is_certain=False,
        )
    return _judge(base, _read(answer.body), ENDPOINT, token, ends)


def _explain(answer: Answer, base: Base, lead: str, at: str, endpoint: str, token: str | None) -> Availability:
    """Why the Hub refuses the name."""
    code = answer.headers.get("x-error-code", "")
    if code == "GatedRepo":
        return _gated(base.name, endpoint, token)
    if code == "RevisionNotFound":
        return Availability("fail", f"{base.name} is on {endpoint}, but not{at}; set model.revision to one that it has")
    if answer.status != 404 and token and code != "RepoNotFound":
        return Availability("fail", f"{endpoint} refuses your token for {base.name}; set HF_TOKEN to a valid one")
    private = (
        "; if it is private, set HF_TOKEN to a token that may read it" if not token else " that your token may read"
    )
    return Availability("fail", f"{lead}, and {endpoint} has no model of this name{at}{private}; else set model.base")


def _judge(base: Base, model: dict[str, Any], endpoint: str, token: str | None, ends: float) -> Availability:
    """Whether the model on the Hub can be used: its files, and the licence that it may ask for."""
    listed = model.get("siblings")
    names = {Path(str(it.get("rfilename"))).name for it in listed if isinstance(it, dict)} if listed else set()
    if names and not any(name.endswith(".safetensors") for name in names):
        if any(name.endswith(".gguf") for name in names):
            return Availability(
                "fail", f"{base.name} has only GGUF files; download one, and set model.base to that file"
            )
        return Availability("fail", f"{base.name} has no safetensors, and no other format is read; set model.base")
    if names and "config.json" not in names:
        return Availability("fail", f"{base.name} has no config.json, so it is not a language model; set model.base")
    if model.get("gated"):
        path = f"{base.name}/resolve/{quote(base.revision or 'main', safe='')}/config.json"
        answer = ask(f"{endpoint}/{path}", token, _left(ends), method="HEAD")
        if isinstance(answer, Answer) and answer.status in (401, 403):
            return _gated(base.name, endpoint, token)
    return Availability("ok", f"{base.name}, on the Hugging Face Hub; the first use downloads it")


def _gated(name: str, endpoint: str, token: str | None) -> Availability:
    accept = f"accept its licence at {endpoint}/{name}"
    if token is None:
        return Availability("fail", f"{name} is gated: {accept}, and set HF_TOKEN to a token of that account")
    return Availability("fail", f"{name} is gated, and your token has no access: {accept} with the token's account")


def _follow(url: str, endpoint: str, token: str | None, ends: float) -> Answer | Failure:
    """The answer at the address, or where the Hub says that the model is now. The token goes to the Hub alone."""
    for _ in range(MOST_RENAMES):
        answer = ask(url, token, _left(ends))
        if isinstance(answer, Failure) or not 300 <= answer.status < 400:
            return answer
        moved = answer.headers.get("location")
        url = urljoin(url, moved) if moved else ""
        if not url.startswith(f"{endpoint}/"):
            break
    return answer


def _left(ends: float) -> float:
    """The seconds that are left of the check."""
    return max(0.01, round(ends - time.monotonic(), 2))


def _read(body: str) -> dict[str, Any]:
    try:
        model = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return model if isinstance(model, dict) else {}
