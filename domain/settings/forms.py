"""The forms of settings that are neither figures nor words of a list: URLs, addresses, a mail server, a ramp.

The log keeps set values for good. So a value that would carry a secret is refused, and the message says where the
secret belongs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from .ramp import complain_of_steps
from .setting import Form

KEY_VARIABLES = {
    "model.endpoint": "OPENAI_API_KEY",
    "teacher.endpoint": "GROKPUTER_TEACHER_KEY",
    "judge.endpoint": "GROKPUTER_JUDGE_KEY",
    "audio.endpoint": "GROKPUTER_AUDIO_KEY",
}
"""The environment variable that each endpoint's key comes from."""

_URL = r"https?://[^\s/@?#]+(/[^\s@?#]*)?"
"""No user, no password, no query."""

_ADDRESS = r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+"
"""A mail address without a display name; no space or line break can be in it."""

_NAME = r"[a-z][a-z0-9_-]{0,63}"
"""The name of an implementation: built in, or a plug-in's."""

_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a folder of tasks may be called."""

_STEP = r"[1-9]\d?:[1-9]\d{0,5}(\.\d+)?(:\d{1,9})?"
"""A step of a ramp: share, evidence, seconds."""


def split_endpoints(value: str | None) -> list[str]:
    """The base URLs of the setting, each once."""
    return list(dict.fromkeys(filter(None, (part.strip() for part in (value or "").split(",")))))


def complain_of_url(url: str) -> str:
    """Why no program can ask the URL, though it has the form of one; empty where one can."""
    if not url.startswith(("http://", "https://")):
        return "it begins with neither http:// nor https://"
    if not url.isprintable():
        return "it has signs that no URL has"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.netloc.startswith("["):
            IPv6Address(host)
        is_host = re.fullmatch(r"(\[[^\[\]]+\]|[\w.-]+)(:\d*)?", parts.netloc) and host.encode("idna")
    except ValueError:  # also of a name that is too long, or has an empty part
        is_host = None
    if not is_host or port == 0:
        return "its host or its port is not valid; they are as in example.org, localhost:8000 or [::1]:8000"
    return ""


def _complain_of_urls(value: str) -> str:
    return next(filter(None, map(complain_of_url, split_endpoints(value))), "")


def _complain_of_webhook(value: str) -> str:
    return "" if value == "env" else complain_of_url(value)


def _complain_of_ports(value: str) -> str:
    """What is wrong with the ports of hosts."""
    ports = re.findall(r":(\d{1,5})(?= *(?:,|$))", value)
    wrong = next((port for port in ports if not 0 < int(port) < 65_536), None)
    return f"{wrong} is no port; there are 1 to 65535" if wrong else ""


def complain_of_folders(value: str) -> str:
    """What is wrong with folders of tasks: each has a name of its own, which stands in commands and in the log."""
    names = [part.strip().rstrip("/").rpartition("/")[2] for part in value.split(",")]
    for name in names:
        if not _FOLDER.fullmatch(name):
            return f"the folder {name!r} has other signs in its name than letters, digits, dots, dashes and _"
    twice = next((name for name in names if names.count(name) > 1), None)
    return f"two folders are called {twice}; rename one of them" if twice else ""


_LISTED_URL = r"https?://[^\s/@?#,]+(/[^\s@?#,]*)?"
"""A URL in a list with commas."""

MODEL_ENDPOINT = Form(
    re.compile(rf"{_LISTED_URL}( *, *{_LISTED_URL})*"),
    "http:// or https:// with a host and a path alone; a key comes from OPENAI_API_KEY, never from here; "
    "several with commas between them where model.backend is vllm",
    _complain_of_urls,
)

TEACHER_ENDPOINT, JUDGE_ENDPOINT, AUDIO_ENDPOINT = (
    Form(
        re.compile(_URL),
        f"http:// or https:// with a host and a path alone; a key comes from {KEY_VARIABLES[key]}, never from here",
        complain_of_url,
    )
    for key in ("teacher.endpoint", "judge.endpoint", "audio.endpoint")
)

OTLP_ENDPOINT = Form(
    re.compile(_URL),
    "http:// or https:// with a host and a path alone; headers with a key come from OTEL_EXPORTER_OTLP_HEADERS, never "
    "from here",
    complain_of_url,
)

RAY_ADDRESS = Form(
    re.compile(_URL),
    "http:// or https:// with a host, a port and a path alone; a token comes from RAY_AUTH_TOKEN, never from here",
    complain_of_url,
)

RAY_CLUSTER = Form(
    re.compile(r"auto|local|[A-Za-z0-9_.-]{1,253}:\d{1,5}", re.ASCII),
    "auto, local, or a host and a port, as in ray-head:6379",
    _complain_of_ports,
)

SHARED_FOLDER = Form(
    re.compile(r"/[A-Za-z0-9._/+-]*", re.ASCII),
    "an absolute path of letters, digits, dots, dashes and _, so that no shell on the way reads it otherwise",
)


def complain_of_command(value: str) -> str:
    """What is wrong with a command: its quotes, its placeholders, or that it names no job."""
    try:
        words = shlex.split(value)
    except ValueError as error:
        return f"its quotes do not match ({error})"
    used = set(re.findall(r"\{(\w*)\}", value))
    if unknown := sorted(used - {"job", "folder"}):
        return f"it has no {{{unknown[0]}}} to fill in; there are {{job}} and {{folder}}"
    return "" if used and words else "it names neither {job} nor {folder}, so it cannot say which training is meant"


COMMAND = Form(
    re.compile(r"[^\x00-\x1f\x7f]{1,1000}"),
    "a command in one line, with {job} for the job's name and {folder} for its folder; a secret comes from the environment, "
    "never from here",
    complain_of_command,
)

RAMP = Form(
    re.compile(rf"none|{_STEP}( *, *{_STEP})*", re.ASCII),
    "for each step a share in percent, the evidence it takes and, if wanted, the seconds at the share before it, as in "
    "30:3, 50:6:3600; or none",
    complain_of_steps,
)

DRY_RUN = Form(
    re.compile(r"none|success|rating|health|(success|rating) *, *health", re.ASCII),
    "success or rating, or health, or one of the first two, a comma and health; or none",
)

WEBHOOK = Form(
    re.compile(f"env|{_URL}"),
    "http:// or https:// with a host and a path alone; where the URL itself is a secret, it comes from "
    "GROKPUTER_WEBHOOK_URL, and this is set to env",
    _complain_of_webhook,
)

ADDRESSES = Form(
    re.compile(rf"{_ADDRESS}( *, *{_ADDRESS})*", re.ASCII),
    "addresses with commas between them, as in ada@example.org, bob@example.org",
)

ADDRESS = Form(re.compile(_ADDRESS, re.ASCII), "one address, as in grokputer@example.org")

SERVER = Form(
    re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}", re.ASCII),
    "a host and a port, as in mail.example.org:587",
    _complain_of_ports,
)

CHAT_TEMPLATES = ("alpaca", "chatml", "llama2")
"""The names of the program's own chat templates."""

CHAT_TEMPLATE = Form(
    re.compile("|".join([*CHAT_TEMPLATES, "sha256:[0-9a-f]{64}"])),
    f"{', '.join(CHAT_TEMPLATES)}, or a file with a Jinja template, whose text is recorded",
)
"""In the log, the text of a file is under its content key."""

BACKEND = Form(re.compile(_NAME, re.ASCII), "local, openai, vllm, or the name that a plug-in has for a backend")

REGISTRY = Form(re.compile(_NAME, re.ASCII), "local, or the name that a plug-in has for a registry")

_KEY_PATH = r"(/[A-Za-z0-9._-]{1,128})*/?"
"""Folders within a bucket, without signs that one of the stores would escape."""

REGISTRY_PLACE = Form(
    re.compile(
        rf"/[^\x00-\x1f\x7f?#]*|file:///[^\x00-\x1f\x7f?#]*|(s3|gs|az)://[a-z0-9][a-z0-9._-]{{2,62}}{_KEY_PATH}|"
        r"hf://[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}/?",
        re.ASCII,
    ),
    "the whole path of a folder, s3://BUCKET/PATH, gs://BUCKET/PATH, az://CONTAINER/PATH or hf://OWNER/NAME, where a bucket's "
    "or container's name has 3 to 63 small letters, digits, dots, dashes and _; keys come from the environment, "
    "never from here",
)

SCREEN_SIZE = Form(
    re.compile(r"[1-9]\d{2,3}x[1-9]\d{2,3}", re.ASCII),
    "width and height in pixels, each of 100 to 9999, as in 1024x768",
)

TASK_FOLDERS = Form(
    re.compile(r"[^,\x00-\x1f\x7f]+(,[^,\x00-\x1f\x7f]+)*"),
    "paths of folders with commas between them, as in my-tasks, ../more-tasks",
    complain_of_folders,
)

_HOST = r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?"

HOSTS = Form(
    re.compile(rf"{_HOST}( *, *{_HOST})*", re.ASCII),
    "hosts with commas between them, each with a port or for all its ports, as in example.org, cdn.example.net:8443",
    _complain_of_ports,
)

_PRICE = r"[^\s,=]{1,200} *= *\d{1,9}(\.\d{1,6})? *: *\d{1,9}(\.\d{1,6})?"
"""A model, the price of its prompts, the price of its answers."""

MODEL_PRICES = Form(
    re.compile(rf"none|{_PRICE}( *, *{_PRICE})*", re.ASCII),
    "for each model its name, the price of a million tokens of prompts and that of answers, as in grok-4=3:15, lora-v1=0.5:1; "
    "or none",
)


@lru_cache(maxsize=16)
def read_model_prices(table: str) -> Mapping[str, tuple[float, float]]:
    """The prices of prompts and of answers by model, of a text in that form. Kept, because each step of a model asks."""
    found = {}
    for row in [] if table == "none" else table.split(","):
        name, _, prices = row.partition("=")
        prompt, _, answer = prices.partition(":")
        found[name.strip()] = float(prompt), float(answer)
    return found
