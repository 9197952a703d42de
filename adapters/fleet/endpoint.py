"""One vLLM server: what it serves, loading and unloading of adapters, and the log-probabilities that prove one.

An adapter's name there is the hash of its weights, and so is its folder's. vLLM keys what it has computed of earlier prompts by
name and folder, so neither may ever have other weights. ``load_inplace`` is never used: it makes vLLM read the folder at every
step, and answer in part by the weights before.

Source: vLLM 0.32, its documentation and what it did when it was tried.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...domain.errors import ModelError, NotServed
from ...domain.page.messages import Message
from ...domain.page.tools import Tool
from ..serving.remote import RemoteModel
from ..serving.reply import BadReply, read_json

LOOK_TIMEOUT_S = 10.0
"""Time limit of a look at an endpoint; chosen: a healthy one needs a hundredth of that."""
LOAD_TIMEOUT_S = 300.0
"""Time limit of loading an adapter, and of a request of its proof; measured: the first request after a start compiles, which
took more than a minute on two busy cores."""
BUSY = (429, 502, 503)
"""Status codes of a server that takes no requests now."""
START = re.compile(r"^process_start_time_seconds ([0-9.eE+]+)$", re.MULTILINE)
"""The line of ``/metrics`` that tells when the process began."""


class Down(ModelError):
    """The endpoint cannot be reached, is silent or fails. It says nothing about the request or an adapter."""


@dataclass(frozen=True)
class Listing:
    """What an endpoint serves at a moment."""

    names: frozenset[str]
    """All its names, those of adapters among them."""
    boot: str
    """The time of its start, as it tells it; empty where it does not."""


class VllmEndpoint(RemoteModel):
    """A vLLM server. Thread-safe. Without retries: its caller may have another endpoint."""

    def __init__(self, base_url: str, base: str, **options: Any) -> None:
        super().__init__(base_url, base, retries=0, **options)
        self._root = self.base_url.rstrip("/").removesuffix("/v1")

    def look(self) -> Listing:
        """What it serves now. Raises ``Down``, and ``NotServed`` where its base is another."""
        listed = self._get(f"{self._root}/v1/models")
        try:
            rows = read_json(listed.encode()).get("data")
        except BadReply as error:
            raise Down(f"{self.base_url} did not list its models: its reply {error}") from error
        rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        names = frozenset(str(row.get("id")) for row in rows)
        bases = [str(row.get("id")) for row in rows if not row.get("parent")]
        if self.model not in names:
            shown = ", ".join(bases[:5]) or "nothing"
            raise NotServed(
                f"{self.base_url} does not serve {self.model}, but {shown}; start vLLM with --served-model-name {self.model}, "
                "or set model.base to its name there"
            )
        return Listing(names, self._boot())

    def _boot(self) -> str:
        """The time of its start; empty where it has no page of metrics."""
        try:
            found = START.search(self._get(f"{self._root}/metrics"))
        except Down:
            return ""
        return found[1] if found else ""

    def load_weights(self, name: str, folder: str, directory: Path) -> None:
        """Load the adapter that it sees in ``folder`` under the name; ``directory`` is where this program sees it.

        Raises ``NotServed`` where it refuses, ``Down``.
        """
        status, said = self._post("/load_lora_adapter", {"lora_name": name, "lora_path": folder}, LOAD_TIMEOUT_S)
        if status == 200 or (status == 400 and "already" in said):  # another process of this log was faster
            return
        raise NotServed(f"{self.base_url} does not load {folder} (HTTP {status}): {_explain(status, said, directory)}")

    def unload_weights(self, name: str) -> None:
        """Make it forget the name. Idempotent. Raises ``NotServed`` where it refuses, ``Down``."""
        status, _ = self._post("/unload_lora_adapter", {"lora_name": name}, LOAD_TIMEOUT_S)
        if status not in (200, 404):
            raise NotServed(f"{self.base_url} does not unload {name} (HTTP {status}); look at its log")

    def logprobs(self, messages: Sequence[Message], tokens: Sequence[int], name: str | None) -> list[float]:
        """The log-probabilities of these tokens as the first of the answer, in nats, by the adapter of the name or the base.

        Raises ``NotServed`` where it does not tell them, ``UnknownAdapter``, ``Down``.
        """
        body = {
            "model": name or self.model,
            "messages": list(messages),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "logprob_token_ids": list(tokens),
            "return_tokens_as_token_ids": True,
        }
        status, said = self._post("/chat/completions", body, LOAD_TIMEOUT_S)
        if status == 404:
            raise NotServed(f"{self.base_url} does not know {body['model']}")
        try:
            first = json.loads(said)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            found = {row["token"]: float(row["logprob"]) for row in first}
            return [found[f"token_id:{token}"] for token in tokens]
        except (ValueError, KeyError, TypeError, IndexError):
            raise NotServed(
                f"{self.base_url} does not tell the log-probabilities of chosen tokens (HTTP {status}), so no adapter can be "
                "proven there; it needs vLLM 0.32 and --max-logprobs of at least 200"
            ) from None

    def score_tokens(
        self,
        messages: Sequence[Message],
        answer: Message,
        name: str | None,
        tools: Sequence[Tool] = (),
    ) -> tuple[float, int]:
        """The log-probability of the answer's tokens after the messages, in nats, and their number.

        The tokens are those that the server's template writes, up to the end of the turn and what follows it. Raises
        ``ModelError`` where it does not score them, ``NotServed``, ``Down``.
        """
        prompt = self._tokenize(messages, tools, add_generation_prompt=True)
        whole = self._tokenize([*messages, answer], tools, add_generation_prompt=False)
        if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
            raise ModelError(f"{self.base_url} cannot score answers: its template writes them otherwise than a prompt")
        body = {"model": name or self.model, "prompt": whole, "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
        status, said = self._post("/completions", body, self.timeout_s)
        if status == 404:
            raise NotServed(f"{self.base_url} does not know {body['model']}")
        try:
            rows = json.loads(said)["choices"][0]["prompt_logprobs"]
            scores = [float(rows[place][str(whole[place])]["logprob"]) for place in range(len(prompt), len(whole))]
        except (ValueError, KeyError, TypeError, IndexError):
            raise ModelError(
                f"{self.base_url} did not score an answer (HTTP {status}); it may not fit the model"
            ) from None
        return sum(scores), len(scores)

    def _tokenize(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, add_generation_prompt: bool
    ) -> list[int]:
        body = {
            "model": self.model,
            "messages": list(messages),
            "add_generation_prompt": add_generation_prompt,
            **({"tools": list(tools)} if tools else {}),
        }
        status, said = self._post(f"{self._root}/tokenize", body, self.timeout_s)
        try:
            return [int(token) for token in json.loads(said)["tokens"]]
        except (ValueError, KeyError, TypeError):
            raise ModelError(f"{self.base_url} does not tell the tokens of a conversation (HTTP {status})") from None

    def _get(self, url: str) -> str:
        import openai

        try:
            client = self.client.with_options(max_retries=0, timeout=LOOK_TIMEOUT_S)
            return client.get(url, cast_to=str)
        except openai.OpenAIError as error:
            raise self._down(error, LOOK_TIMEOUT_S) from error

    def _post(self, address: str, body: dict[str, Any], timeout_s: float) -> tuple[int, str]:
        """The status and the body of its answer. Raises ``Down`` where there is none."""
        import openai

        try:
            return 200, self.client.with_options(timeout=timeout_s).post(address, cast_to=str, body=body)
        except openai.APIStatusError as error:
            return error.status_code, error.response.text[:10_000]
        except openai.OpenAIError as error:
            raise self._down(error, timeout_s) from error

    def _down(self, error: Exception, limit_s: float) -> Down:
        import openai

        is_silent = isinstance(error, openai.APITimeoutError)
        return Down(
            f"{self.base_url} does not answer: {f'silent for {limit_s:g} s' if is_silent else self.explain(error)}"
        )


def _explain(status: int, said: str, directory: Path) -> str:
    """What probably keeps it from loading, in this program's own words."""
    if status in (401, 403):
        return "it refuses the key in OPENAI_API_KEY"
    if status == 404 and '"error"' not in said:
        return (
            "it loads no adapters while it runs; start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
        )
    if status == 404 or "No adapter found" in said:
        return "it does not see this folder; mount the weights there, or set model.weights_folder to where it sees them"
    config = _read_config(directory)
    faults = [what for what in ("use_dora", "modules_to_save") if config.get(what)]
    if faults:
        return f"vLLM serves no adapter with {' and '.join(faults)}; train without"
    return f"its rank is {config.get('r')}; start vLLM with --max-lora-rank of at least that, or look at its log"


def _read_config(directory: Path) -> dict[str, Any]:
    try:
        config = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def is_lost(error: Exception) -> bool:
    """Whether there was no answer because the connection could not be had or was lost; a silent server is none."""
    import openai

    cause = error.__cause__
    return isinstance(cause, openai.APIConnectionError) and not isinstance(cause, openai.APITimeoutError)


def is_busy(error: Exception) -> bool:
    """Whether the server takes no requests now, so that another one may."""
    import openai

    cause = error.__cause__
    return isinstance(cause, openai.APIStatusError) and cause.status_code in BUSY


def is_of_server(error: Exception) -> bool:
    """Whether the server may be at fault: it was lost, silent or failed."""
    import openai

    return isinstance(error.__cause__, (openai.APIConnectionError, openai.InternalServerError))
