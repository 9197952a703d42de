"""What a vLLM server was asked: a line of its file for each request, before its answer is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_down(log: Path, path: str, body: Mapping[str, Any], *, began: float, boot: str, status: int) -> None:
    """Append the request: when it came, the start of the process, the address, the model, whether it belongs to a proof, and
    the status."""
    line = {
        "time": began,
        "boot": boot,
        "path": path,
        "model": body.get("model") or body.get("lora_name"),
        "is_proof": "logprob_token_ids" in body,
        "status": status,
    }
    with log.open("a") as stream:
        stream.write(json.dumps(line) + "\n")
