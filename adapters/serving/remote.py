"""A model behind an OpenAI-compatible endpoint: xAI, OpenAI, vLLM, Ollama and any server of ``/chat/completions``.

Where the server serves adapters, as vLLM does, an adapter is a model name there. The API key comes from the environment
and appears in no message.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from ...domain.errors import ModelError, NotServed, UnknownAdapter
from ...domain.page.media import KINDS, marks_in, split_parts
from ...domain.page.messages import Completion, Message, Request
from ...domain.page.tools import Tool
from ...domain.ports import NO_MEDIA, Model, Proof
from ...domain.settings.forms import complain_of_url
from ..endpoint.client import find_endless, open_http
from .reply import BadReply, read_models, read_reply
from .streamed_reply import StreamedReply, cut_event

if TYPE_CHECKING:
    from pathlib import Path

    from openai import OpenAI

TIMEOUT_S = 60.0
"""Longest silence of an endpoint; chosen. A whole answer takes ``client.PATIENCE`` times that at most."""
RETRIES = 2
"""Retries after a lost connection, a 429 or a 5xx; the default of the ``openai`` client."""
WITHOUT_LIST = (404, 405, 501)
"""Status codes of servers without a list of models."""


class RemoteModel(Model):
    """A model behind an endpoint. Thread-safe. The client is loaded at construction, before any request.

    ``key_variable`` names the environment variable with the API key; it may be unset for a server without keys.
    ``name_there`` gives the name of an adapter at the server: its own, or that of a model that was tuned there. Raises
    ``ModelError`` for an invalid base URL, and for a key that cannot be sent.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key_variable: str = "OPENAI_API_KEY",
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        name_there: Callable[[str], str] = str,
    ) -> None:
        if wrong := complain_of_url(base_url):
            raise ModelError(f"{base_url!r} is not a base URL: {wrong}; set one such as https://api.x.ai/v1")
        self.base_url = base_url
        self.model = model
        self.key_variable = key_variable
        self.timeout_s = timeout_s
        self.retries = retries
        self.client = self._open()
        """The client of the server."""
        self._name_there = name_there
        self._listed: set[str] = set()

    def complete(
        self,
        messages: Sequence[Message],
        *,
        adapter: str | None = None,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        tools: Sequence[Tool] = (),
        media: Mapping[str, str] = NO_MEDIA,
    ) -> Completion:
        """The server's answer; see ``Model.complete``. Raises ``UnknownAdapter`` where the server does not know the adapter."""
        request = self._body(Request(messages, adapter, max_tokens, temperature, seed, tools, media))
        started = time.perf_counter()
        with self._explaining(adapter):
            body = self.client.chat.completions.with_raw_response.create(**request).http_response.content
            reply = read_reply(body, has_tools=bool(tools))
        took_ms = round((time.perf_counter() - started) * 1000)
        return Completion(reply.text, reply.prompt_tokens, reply.completion_tokens, took_ms, reply.calls)

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Completion:
        """The server's answer, in parts as they come; see ``Model.stream``. A server that does not stream gives it whole."""
        started, reply = time.perf_counter(), StreamedReply(has_tools=bool(request.tools))
        with closing(self._parts(request, reply)) as parts:
            for part in parts:
                on_text(part)
        with self._explaining(request.adapter):
            whole = reply.end()
        took_ms = round((time.perf_counter() - started) * 1000)
        return Completion(whole.text, whole.prompt_tokens, whole.completion_tokens, took_ms, whole.calls)

    def _parts(self, request: Request, reply: StreamedReply) -> Generator[str]:
        """The parts of the answer as they come; ``reply`` collects them."""
        body = self._body(request) | {"stream": True, "stream_options": {"include_usage": True}}
        with (
            self._explaining(request.adapter),
            self.client.chat.completions.with_streaming_response.create(**body) as response,
        ):
            if "text/event-stream" in response.headers.get("content-type", ""):
                yield from filter(None, map(reply.read_event, _events(response.iter_bytes())))
            else:
                yield reply.read_body(response.read())

    def _body(self, request: Request) -> dict[str, Any]:
        return {
            "model": self.model if request.adapter is None else self._name_there(request.adapter),
            "messages": [_with_parts(message, request.media) for message in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            **({"tools": list(request.tools)} if request.tools else {}),
        }

    @contextmanager
    def _explaining(self, adapter: str | None) -> Iterator[None]:
        """Raise whatever goes wrong in the block as ``ModelError`` with the reason, or as ``UnknownAdapter``."""
        import openai

        name = adapter or self.model
        try:
            yield
        except openai.NotFoundError as error:
            if adapter is not None:
                raise UnknownAdapter(self._say_unserved(adapter)) from error
            raise ModelError(f"model {name} is not served by {self.base_url}; its /models lists the names") from error
        except BadReply as error:
            raise ModelError(
                f"model {name} at {self.base_url} did not answer: its reply {error}; "
                "check the base URL and that it is a chat model"
            ) from error
        except Exception as error:  # The HTTP library raises many kinds, and all are the endpoint's fault here.
            raise ModelError(f"model {name} at {self.base_url} did not answer: {self.explain(error)}") from error

    takes = frozenset(KINDS)
    """The server decides what it takes."""

    @property
    def adapters(self) -> RemoteModel:
        """This model: the server may serve adapters as models by their names."""
        return self

    base_hash = None
    """The server decides what fits."""
    can_load = False
    """Adapters are loaded where the server runs."""

    def serves(self, name: str) -> bool:
        """Whether the server lists the name among its models; cached once it does. Raises ``ModelError``."""
        there = self._name_there(name)
        if there not in self._listed and there in self.names():
            self._listed.add(there)
        return there in self._listed

    def _say_unserved(self, adapter: str) -> str:
        there = self._name_there(adapter)
        if there == adapter:
            return f"adapter {adapter} is not served by {self.base_url}; load it there first"
        return f"adapter {adapter} is not served by {self.base_url}, which has no model {there} any more; roll it back"

    def load(self, name: str, directory: Path) -> None:
        """Raises ``ModelError``: adapters are loaded where the server runs."""
        raise ModelError(f"{self.base_url} loads no weights of this machine; load {name} there under its name")

    def unload(self, name: str) -> None:
        """Raises ``ModelError``: adapters are unloaded where the server runs."""
        raise ModelError(f"{self.base_url} cannot unload {name} from here; unload it there")

    def prove(self, name: str, directory: Path) -> Proof:
        """Raises ``NotServed``: the server does not expose logits."""
        raise NotServed(
            f"{name} cannot be proven at {self.base_url}, which does not expose its logits; set model.backend local"
        )

    def names(self) -> frozenset[str]:
        """The models that the server lists, adapters among them; empty where it has no list. Raises ``ModelError``."""
        import openai

        try:
            client = self.client.with_options(max_retries=0)
            return frozenset(read_models(client.models.with_raw_response.list().http_response.content))
        except BadReply:
            return frozenset()
        except Exception as error:
            if isinstance(error, openai.APIStatusError) and error.status_code in WITHOUT_LIST:
                return frozenset()
            raise ModelError(f"{self.base_url} did not list its models: {self.explain(error)}") from error

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _open(self) -> OpenAI:
        from openai import OpenAI

        key = os.environ.get(self.key_variable, "").strip() or "none"
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ModelError(
                f"the environment variable {self.key_variable} is not an API key: it has characters that no key has"
            )
        try:
            client = OpenAI(
                base_url=self.base_url,
                api_key=key,
                timeout=self.timeout_s,
                max_retries=self.retries,
                http_client=open_http(self.timeout_s),
            )
        except Exception as error:  # of several libraries: an unreadable URL, an invalid proxy
            raise ModelError(
                f"base URL '{self.base_url}' cannot be used ({type(error).__name__}); check it and the proxy variables"
            ) from error
        _ = (
            client.chat.completions.with_raw_response,
            client.chat.completions.with_streaming_response,
            client.models.with_raw_response,
        )  # Loaded at first access.
        return client

    def explain(self, error: Exception) -> str:
        """The reason in this program's own words: a server's message may repeat the key."""
        import openai

        if given_up := find_endless(error):
            return given_up
        if isinstance(error, UnicodeError):
            return "the question is not Unicode; it has a lone surrogate"
        if isinstance(error, openai.APITimeoutError):
            return f"no answer within {self.timeout_s:g} s; set run.max_tokens lower, or look at the server"
        if isinstance(error, openai.APIConnectionError):
            return "no connection; check the base URL and that the server runs"
        if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
            return f"it refused the API key; check the environment variable {self.key_variable}"
        if isinstance(error, openai.RateLimitError):
            return "too many requests or no credit left; wait or check the account"
        if isinstance(error, openai.APIStatusError) and 300 <= error.status_code < 400:
            return f"it redirects to another address (HTTP {error.status_code}); set the base URL to its final address"
        if isinstance(error, openai.APIStatusError):
            return f"HTTP {error.status_code}; check the model's name and the server's log"
        return type(error).__name__


def _events(parts: Iterable[bytes]) -> Iterator[str]:
    """The events of a stream that comes in these parts."""
    kept = b""
    for part in parts:
        event, kept = cut_event(kept + part)
        while event:
            yield event.decode(errors="replace")
            event, kept = cut_event(kept)
    yield kept.decode(errors="replace")


def _with_parts(message: Message, media: Mapping[str, str]) -> Mapping[str, Any]:
    """The message in OpenAI's form, with a list of parts where it shows a picture or a sound."""
    if not any(key in media for _, key in marks_in(message["content"])):
        return message
    return {**message, "content": split_parts(message["content"], media)}
