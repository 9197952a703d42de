"""All that only a GPU can show, as one JSON document, within a limit of time.

    python benchmarks/gpu/measure.py                    # eight minutes; the shapes of Llama 3 8B and Llama 3.2 1B
    python benchmarks/gpu/measure.py --shapes tiny      # the same on a CPU, with tiny shapes: a check of the bundle

Each measurement is a process of its own. One that does not fit in memory, fails, or has no time left says so in the
document. The most important ones come first.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_S = 480
"""Seconds for all of it."""
LEAST_S = 10
"""Seconds under which no measurement begins."""
LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "datasets")
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Measurement:
    """One process, and where its object stands in the document."""

    place: tuple[str, ...]
    command: tuple[str, ...]


SHAPES = {"full": ("8b", "1b", "small"), "tiny": ("tiny", "tiny", "tiny")}
"""The shapes of the large, the middle and the small measurements."""


def measurements(shapes: str) -> list[Measurement]:
    """All of them, the most important first."""
    large, middle, small = SHAPES[shapes]
    return [
        *(
            Measurement(("training, by method", method), ("qlora.py", "--shape", large, "--method", method))
            for method in ("nf4", "lora", "full")
        ),
        Measurement(("gradient, against fp32",), ("gradients.py", "--shape", small)),
        *(
            Measurement(("trainer, beside TRL", side), ("trainers.py", "--shape", middle, "--side", side))
            for side in ("trl", "grokputer")
        ),
        Measurement(("fp16",), ("half.py", "--shape", middle)),
        *(
            Measurement(("serving, tokens per second", base), ("serving.py", "--shape", large, "--base", base))
            for base in ("bf16", "nf4")
        ),
    ]


def main() -> None:
    """Run all measurements and print the document; progress goes to stderr."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--shapes", choices=SHAPES, default="full")
    options.add_argument("--limit-s", type=float, default=LIMIT_S)
    options.add_argument("--out", type=Path, help="also write the document here, after each measurement")
    given = options.parse_args()
    began = time.monotonic()
    document: dict[str, Any] = {"machine": describe_machine(), "shapes": SHAPES[given.shapes]}
    for measurement in measurements(given.shapes):
        left = given.limit_s - (time.monotonic() - began)
        name = ", ".join(measurement.place)
        print(f"{name}: {left:.0f} s left", file=sys.stderr, flush=True)
        _put(document, measurement.place, run(measurement.command, left))
        if given.out:
            given.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    document["functions of SmolLM2"] = {"skipped": "its weights, 93 MB, do not fit into the bundle"}
    document["seconds"] = round(time.monotonic() - began)
    print(json.dumps(document, indent=2))
    if given.out:
        given.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def run(command: tuple[str, ...], left_s: float) -> dict[str, Any]:
    """The object that the process printed, with its seconds; or why there is none."""
    if left_s < LEAST_S:
        return {"skipped": "no time was left"}
    began = time.monotonic()
    process = [sys.executable, str(HERE / command[0]), *command[1:]]
    try:
        done = subprocess.run(process, capture_output=True, text=True, check=False, timeout=left_s)
    except subprocess.TimeoutExpired:
        return {"skipped": f"not finished in the {left_s:.0f} s that were left"}
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"its process ended with {done.returncode}"])[-1]
        return {"error": "does not fit" if done.returncode < 0 or "out of memory" in why.lower() else why}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**found, "seconds": round(time.monotonic() - began)}


def describe_machine() -> dict[str, Any]:
    """The device and the versions of the libraries; a missing one is None."""
    import torch

    has_gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_properties(0) if has_gpu else None
    versions = {name: _version(name) for name in LIBRARIES}
    return {
        "device": device.name if device else "cpu",
        "memory_bytes": device.total_memory if device else None,
        "python": sys.version.split()[0],
        "versions": versions,
    }


def _version(name: str) -> str | None:
    return importlib.metadata.version(name) if importlib.util.find_spec(name) else None


def _put(document: dict[str, Any], place: tuple[str, ...], found: dict[str, Any]) -> None:
    *above, last = place
    for name in above:
        document = document.setdefault(name, {})
    document[last] = found


if __name__ == "__main__":
    main()
