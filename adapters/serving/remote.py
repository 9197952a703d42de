"""A model behind an OpenAI-compatible endpoint: xAI, OpenAI, vLLM, Ollama and whatever speaks ``/chat/completions``.

Where the server serves adapters, as vLLM does, an adapter is a model name there. The API key comes from the environment
and appears in no message.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...domain.errors import ModelError, UnknownAdapter
from ...domain.page.messages import Completion, Message
from ...domain.ports import Model

if TYPE_CHECKING:
    from openai import OpenAI

TIMEOUT_S = 60.0
"""How long an answer may take; chosen."""
RETRIES = 2
"""How often a request is repeated after a lost connection, a 429 or a 5xx; the default of the ``openai`` client."""


class RemoteModel(Model):
    """A model served elsewhere; safe to call from any number of threads.

    ``key_variable`` names the environment variable with the API key; a server that needs none does without. Raises
    ``ModelError`` for a base URL that is not one.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key_variable: str = "OPENAI_API_KEY",
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ModelError(
                f"base URL '{base_url}' is not one; allowed is http:// or https://, as in https://api.x.ai/v1"
            )
        self.base_url = base_url
        self.model = model
        self.key_variable = key_variable
        self.timeout_s = timeout_s
        self.retries = retries
        self._opening = threading.Lock()
        self._opened: OpenAI | None = None

    def complete(
        self,
        messages: Sequence[Message],
        *,
        adapter: str | None = None,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Completion:
        """The server's answer; see ``Model.complete``. An adapter the server does not know raises ``UnknownAdapter``."""
        import openai

        name = adapter or self.model
        request: dict[str, Any] = {
            "model": name,
            "messages": list(messages),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
        }
        started = time.perf_counter()
        try:
            answer = self._client().chat.completions.create(**request)
        except openai.NotFoundError as error:
            if adapter is not None:
                raise UnknownAdapter(
                    f"adapter {adapter} is not served by {self.base_url}; load it there first"
                ) from error
            raise ModelError(f"model {name} is not served by {self.base_url}; its /models lists the names") from error
        except openai.OpenAIError as error:
            raise ModelError(f"model {name} at {self.base_url} did not answer: {self._reason(error)}") from error
        except ValueError as error:  # a body that is not JSON
            raise ModelError(
                f"model {name} at {self.base_url} answered what cannot be read; check the base URL"
            ) from error
        took_ms = round((time.perf_counter() - started) * 1000)
        return _completion(answer, f"model {name} at {self.base_url}", took_ms)

    def close(self) -> None:
        """Let the connections go."""
        if self._opened is not None:
            self._opened.close()

    def _client(self) -> OpenAI:
        from openai import OpenAI

        with self._opening:
            if self._opened is None:
                self._opened = OpenAI(
                    base_url=self.base_url,
                    api_key=os.environ.get(self.key_variable) or "none",
                    timeout=self.timeout_s,
                    max_retries=self.retries,
                )
            return self._opened

    def _reason(self, error: Exception) -> str:
        """Why, in words of ours: a server's own may repeat the key."""
        import openai

        if isinstance(error, openai.APITimeoutError):
            return f"no answer within {self.timeout_s:g} s; raise the timeout or ask for fewer tokens"
        if isinstance(error, openai.APIConnectionError):
            return "no connection; check the base URL and that the server runs"
        if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
            return f"it refused the API key; check the environment variable {self.key_variable}"
        if isinstance(error, openai.RateLimitError):
            return "too many requests or no credit left; wait or check the account"
        if isinstance(error, openai.APIStatusError):
            return f"HTTP {error.status_code}; check the model's name and the server's log"
        return type(error).__name__


def _completion(answer: Any, source: str, took_ms: int) -> Completion:
    choices = getattr(answer, "choices", None)
    text = choices[0].message.content if choices and choices[0].message else None
    if text is None:
        raise ModelError(f"{source} answered without text; check that it is a chat model")
    usage = answer.usage
    return Completion(text, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0, took_ms)
