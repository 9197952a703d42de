"""A vLLM server with one tiny real model: it applies real adapters, and accepts without a word what vLLM accepts.

It is made from what vLLM 0.32 did when it was tried. ``lies`` are what it does wrong on purpose.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from chat_server import completion, events

from grokputer.adapters.serving.local import LocalModel
from grokputer.domain.errors import ModelError

MAX_RANK = 16
Answer = tuple[int, str]


class FakeVllm:
    """A server on a free port, which stays its own over restarts. Its ``model`` may be shared; ``like`` is an adapter with all
    keys that the model knows.

    ``lies``: ``base`` answers a known adapter with the base; ``no boot`` has no page of metrics; ``busy`` refuses requests;
    ``broken`` fails at each; ``deaf`` never lets adapters be loaded. ``room`` is how many adapters its engine has at once.
    """

    def __init__(self, model: LocalModel, like: Path, base: str = "tiny", *, room: int = 8) -> None:
        self.model, self.like, self.base, self.room = model, like, base, room
        self.lies: set[str] = set()
        self.boots = 0
        self.paths: dict[str, str] = {}
        """The folder of each registered name."""
        self.engine: dict[str, str] = {}
        """The name that the model has for each adapter in the engine, the least recently used first."""
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """Each request's address and body."""
        self.delay_s = 0.0
        self._lock = threading.RLock()
        self._kept = Path(tempfile.mkdtemp(prefix="fake-vllm-"))
        self._port = 0
        self.server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()
        shutil.rmtree(self._kept, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def is_alive(self) -> bool:
        return self.server is not None

    def start(self) -> None:
        """A new process: it knows no adapter."""
        self.boots, self.paths, self.engine = self.boots + 1, {}, {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(*fake.show(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append((self.path, body))
                time.sleep(fake.delay_s)
                try:
                    self._send(*fake.take(self.path, body))
                except EngineDeadError:
                    self.close_connection = True  # no answer, and no server any more

            def _send(self, status: int, body: str | bytes, kind: str = "application/json") -> None:
                data = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self.server.daemon_threads = True
        self._port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def die(self) -> None:
        """The process ends; connections are refused."""
        server, self.server = self.server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def restart(self) -> None:
        self.die()
        self.start()

    def show(self, path: str) -> tuple[int, str]:
        if path == "/v1/models":
            rows = [{"id": self.base, "parent": None}, *({"id": name, "parent": self.base} for name in self.paths)]
            return 200, json.dumps({"object": "list", "data": rows})
        if path == "/metrics" and "no boot" not in self.lies:
            return 200, f"# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {1.79e9 + self.boots}\n"
        return (200, "") if path == "/health" else (404, '{"detail":"Not Found"}')

    def take(self, path: str, body: dict[str, Any]) -> tuple[int, str | bytes] | tuple[int, bytes, str]:
        with self._lock:
            if path == "/v1/load_lora_adapter" and "deaf" not in self.lies:
                return self._load(body["lora_name"], body["lora_path"])
            if path == "/v1/unload_lora_adapter" and "deaf" not in self.lies:
                known = self.paths.pop(body["lora_name"], None)
                return (404, _error("NotFoundError", "no such adapter")) if known is None else (200, "Success")
            if path == "/tokenize":
                return 200, json.dumps({"tokens": self._tokens(body)})
            if path in ("/v1/chat/completions", "/v1/completions"):
                return self._answer(body)
            return 404, '{"detail":"Not Found"}'

    def _load(self, name: str, path: str) -> Answer:
        if name in self.paths:
            return 400, _error("InvalidUserInput", f"The lora adapter '{name}' has already been loaded.")
        if not (Path(path) / "adapter_config.json").is_file():
            return 404, _error("NotFoundError", f"No adapter found for {path}")
        config = json.loads((Path(path) / "adapter_config.json").read_text())
        if config["r"] > MAX_RANK or config.get("use_dora") or config.get("modules_to_save"):
            return 500, _error("InternalServerError", "cannot be served")
        self.paths[name] = path  # the base that it was trained on is not looked at
        self._bring(name)
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def _bring(self, name: str) -> str:
        """The model's name of the adapter, read from its folder where it is not in the engine. Raises ``EngineDeadError``."""
        own = self.engine.pop(name, None)
        if own is None:
            try:
                own = f"{self._kept.name}-{self.boots}-{len(self.asked)}-{name[:8]}"  # no other server of this model has it
                self.model.load(own, self._read(Path(self.paths[name]), self._kept / own))
            except OSError:
                self.die()
                raise EngineDeadError from None
        self.engine[name] = own
        while len(self.engine) > self.room:
            del self.engine[next(iter(self.engine))]
        return own

    def _read(self, path: Path, to: Path) -> Path:
        """A copy of the adapter for the model: keys that it does not know are left out, and what is missing changes nothing."""
        from safetensors.torch import load_file, save_file

        shutil.copytree(path, to)
        given = load_file(to / "adapter_model.safetensors")
        known = load_file(self.like / "adapter_model.safetensors")
        save_file({key: given.get(key, it * 0) for key, it in known.items()}, to / "adapter_model.safetensors")
        return to

    def _answer(self, body: dict[str, Any]) -> tuple[int, str | bytes] | tuple[int, bytes, str]:
        if "busy" in self.lies or "broken" in self.lies:
            return (503 if "busy" in self.lies else 500), _error("InternalServerError", "not now")
        name = body["model"]
        if name != self.base and name not in self.paths:
            return 404, _error("NotFoundError", f"The model `{name}` does not exist.")
        own = self._bring(name) if name != self.base else None
        adapter = None if "base" in self.lies else own
        if "prompt_logprobs" in body:
            return 200, self._prompt_logprobs(body["prompt"], adapter)
        if "logprob_token_ids" in body:
            return 200, self._logprobs(body, adapter)
        try:
            done = self.model.complete(
                body["messages"],
                adapter=adapter,
                max_tokens=body["max_tokens"],
                temperature=body.get("temperature", 1.0),
                seed=body.get("seed") or 0,
            )
        except ModelError as error:
            return 400, _error("BadRequestError", str(error))
        return (200, events(done.text), "text/event-stream") if body.get("stream") else (200, completion(done.text))

    def _tokens(self, body: dict[str, Any]) -> list[int]:
        """The tokens that the template writes."""
        tokenizer = self.model._model.tokenizer
        begun = {"add_generation_prompt": body["add_generation_prompt"]}
        text = tokenizer.apply_chat_template(body["messages"], tokenize=False, **begun)
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _prompt_logprobs(self, ids: list[int], adapter: str | None) -> str:
        """Of each token but the first."""
        import torch

        def score() -> list[Any]:
            with torch.inference_mode():
                logits = self.model._model.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()
            chosen = logits.log_softmax(-1)[:-1].gather(-1, torch.tensor(ids)[1:, None])[:, 0].tolist()
            return [None, *({str(it): {"logprob": log}} for it, log in zip(ids[1:], chosen, strict=True))]

        rows = self.model._do(lambda: self.model._with_adapter(adapter, score))
        return json.dumps({"choices": [{"text": "", "prompt_logprobs": rows}]})

    def _logprobs(self, body: dict[str, Any], adapter: str | None) -> bytes:
        import torch

        logs = torch.tensor(self.model.next_logits(body["messages"], adapter=adapter)).log_softmax(-1)
        rows = [{"token": f"token_id:{it}", "logprob": logs[it].item()} for it in body["logprob_token_ids"]]
        first = {"token": "x", "logprob": 0.0, "top_logprobs": rows}
        message = {"role": "assistant", "content": "x"}
        return completion("x", choices=[{"index": 0, "message": message, "logprobs": {"content": [first]}}])


class EngineDeadError(Exception):
    """vLLM's own: the engine has ended, and the server with it."""


def _error(kind: str, message: str) -> str:
    return json.dumps({"error": {"message": message, "type": kind, "code": 0}})
