"""Whether a model is available: a folder, a name on the Hugging Face Hub, or an endpoint and its list of models.

Each check has a time limit, nothing is downloaded, and no answer of a model is paid for.
"""

from __future__ import annotations

import json
import os
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ...adapters.serving.base_model import Base
from ...domain.aggregates.alert import Failure
from ..alerts.deadline import within

LIMIT_S = 2.0
"""Time limit of one check; chosen: a healthy endpoint needs a tenth of that."""
MOST_BYTES = 4_000_000
"""Bytes of an answer that are read; chosen: the names of ten thousand models."""
SHOWN = 5
"""Names of served models that a message lists."""


class Availability(NamedTuple):
    """``ok``, ``warn`` or ``fail``, and a message with what to do."""

    result: str
    found: str


def check_base(base: Base) -> Availability:
    """Whether the local base model is complete, or its Hub name is downloaded or exists."""
    if base.is_local:
        return _check_folder(base)
    if not base.name:
        return Availability("fail", f"the embedded model is missing at {base.location}; install grokputer again")
    if base.name.startswith(("/", "./", "../", "~")) or base.name.count("/") > 1:
        return Availability(
            "fail", f"there is no folder {base.name}; set model.base to a folder, or to a name on the Hugging Face Hub"
        )
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE) / f"models--{base.name.replace('/', '--')}"
    commit = base.fingerprint().rpartition("@")[2]
    snapshot = folder / "snapshots" / commit
    if snapshot.is_dir() and not (missing := _missing_files(snapshot)):
        return Availability("ok", f"{base.name}, downloaded, {commit[:12]}")
    if snapshot.is_dir():
        return Availability(
            "warn",
            f"{base.name} is only partly downloaded, without {', '.join(missing)}; the first use downloads the rest",
        )
    return _ask_hub(base)


def _check_folder(base: Base) -> Availability:
    if missing := _missing_files(Path(base.location)):
        return Availability("fail", f"{base.location} lacks {', '.join(missing)}; install it again or set model.base")
    return Availability("ok", f"{base.name or 'embedded'}, {base.fingerprint()[:19]}")


def _missing_files(folder: Path) -> list[str]:
    """The files that a model's folder needs and this one lacks."""
    names = {file.name for file in folder.iterdir()}
    missing = [name for name in ("config.json", "tokenizer_config.json") if name not in names]
    return missing + ["*.safetensors"] * (not any(name.endswith(".safetensors") for name in names))


def _ask_hub(base: Base) -> Availability:
    """Whether the Hub has a model of this name, and its revision."""
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    lead = f"{base.name} is not a folder and is not downloaded"
    if HF_HUB_OFFLINE:
        return Availability("fail", f"{lead}, and HF_HUB_OFFLINE is set; unset it, or set model.base")
    revision = f"/revision/{base.revision}" if base.revision else ""
    token = os.environ.get("HF_TOKEN")
    answer = _get(f"{ENDPOINT}/api/models/{base.name}{revision}", token)
    if isinstance(answer, Failure) and not answer.reason.startswith("HTTP 30"):  # a redirect: the model was renamed
        if answer.reason in ("HTTP 401", "HTTP 403", "HTTP 404"):
            at = f" at revision {base.revision}" if base.revision else ""
            return Availability(
                "fail", f"{lead}, and {ENDPOINT} has no model of this name{at} for you; set model.base, or HF_TOKEN"
            )
        return Availability(
            "fail", f"{lead}, and {ENDPOINT} cannot be asked ({answer.reason}); check the network, or set model.base"
        )
    return Availability("ok", f"{base.name}, on the Hugging Face Hub; the first use downloads it")


def check_endpoint(endpoint: str | None, names: list[str], key_variable: str, setting: str) -> Availability:
    """Whether the endpoint answers and serves all of these names, the model first; ``setting`` is the endpoint's key."""
    if not endpoint:
        return Availability("fail", f"no endpoint; set {setting}")
    if not endpoint.startswith(("http://", "https://")):
        return Availability("fail", f"{endpoint} is not a URL; set {setting} to one, as in https://api.x.ai/v1")
    answer = _get(f"{endpoint.rstrip('/')}/models", os.environ.get(key_variable))
    if isinstance(answer, Failure):
        return _explain(endpoint, answer, key_variable, setting, names[0])
    served = _names(answer)
    if served is None:
        return Availability(
            "warn", f"{endpoint} answers, but does not list its models; a run shows whether it serves {names[0]}"
        )
    missing = [name for name in names if name not in served]
    if missing:
        shown = ", ".join(sorted(served)[:SHOWN]) + (", ..." if len(served) > SHOWN else "")
        problem = f"does not serve {', '.join(missing)}; it serves {shown or 'nothing'}"
        return Availability("fail", f"{endpoint} {problem}; load it there, or set model.base to one of them")
    return Availability("ok", f"{endpoint} answers and serves {', '.join(names)}")


def _explain(endpoint: str, failure: Failure, key_variable: str, setting: str, name: str) -> Availability:
    if failure.reason in ("HTTP 401", "HTTP 403"):
        return Availability("fail", f"{endpoint} refuses the key; set the environment variable {key_variable}")
    if failure.reason in ("HTTP 404", "HTTP 405", "HTTP 501"):
        return Availability(
            "warn",
            f"{endpoint} answers, but has no list of models ({failure.reason}); a run shows whether it serves {name}",
        )
    return Availability("fail", f"{endpoint} does not answer ({failure.reason}); start the server, or set {setting}")


def _names(answer: str) -> set[str] | None:
    """The names of the served models; None where the answer is not a list of models."""
    try:
        return {str(row["id"]) for row in json.loads(answer)["data"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects, so that a key goes only to the host in the setting."""

    def redirect_request(self, *given: Any) -> None:
        """No redirect is followed."""


def _get(url: str, key: str | None) -> str | Failure:
    """The answer to a GET request, within the time limit."""
    headers = {"accept": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}

    def ask() -> str | Failure:
        try:
            with build_opener(_NoRedirects).open(Request(url, headers=headers), timeout=LIMIT_S) as response:
                body: Any = response.read(MOST_BYTES)
                return str(body.decode(errors="replace"))
        except HTTPError as error:
            error.close()
            return Failure(f"HTTP {error.code}")
        except URLError as error:
            return Failure(f"no connection: {error.reason}")
        except TimeoutError:
            return Failure(f"no answer within {LIMIT_S:g} s")
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a URL or key that cannot be sent
            return Failure(f"the connection was lost: {type(error).__name__}")

    return within(LIMIT_S, ask)
