"""A fake vLLM server in a process of its own, with the embedded model and an own log of what it was asked.

    python -m grokputer.benchmarks.killed.vllm_server PORT FILE

Each request is a line of the file (``asked``).
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

SUPPORT = Path(__file__).resolve().parents[2] / "tests" / "support"
sys.path.insert(0, str(SUPPORT))

from fake_vllm import FakeVllm  # noqa: E402

from grokputer.adapters.serving.base_model import Base  # noqa: E402
from grokputer.adapters.serving.local import LocalModel  # noqa: E402

from .asked import write_down  # noqa: E402

BASE = "embedded"


class LoggedVllm(FakeVllm):
    """A server that writes down what it was asked. Its start is the time of its process, as vLLM tells it."""

    def __init__(self, model: LocalModel, port: int, log: Path) -> None:
        super().__init__(model, Path(), BASE)
        self._port, self._log = port, log
        self.boot = f"{time.time():.3f}"

    def show(self, path: str) -> tuple[int, str]:
        """As vLLM: the page of metrics has the start of the process."""
        if path == "/metrics":
            return 200, f"# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {self.boot}\n"
        return super().show(path)

    def take(self, path: str, body: dict[str, Any]) -> tuple[int, str | bytes] | tuple[int, bytes, str]:
        """Answer, and write it down."""
        began = time.time()
        answer = super().take(path, body)
        write_down(self._log, path, body, began=began, boot=self.boot, status=answer[0])
        return answer

    def _read(self, path: Path, to: Path) -> Path:
        return path


def main(port: int, log: Path) -> None:
    """Serve until the process is ended."""
    import torch

    torch.set_num_threads(1)
    model = LocalModel(Base(quantization="none"))
    model.complete([{"role": "user", "content": "task: none"}], max_tokens=1)  # loaded before it answers anybody
    with LoggedVllm(model, port, log):
        threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
