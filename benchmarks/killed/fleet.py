"""The fleet of a run: PostgreSQL, S3, Ray, two vLLM servers, three gateways and a worker, each a part of its own."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import s3_server  # noqa: E402
from ray_cluster import head_words  # noqa: E402
from stores import Server  # noqa: E402

from grokputer.adapters.launching.ray_jobs import RayJobs  # noqa: E402
from grokputer.adapters.launching.scheduler import JobState  # noqa: E402
from grokputer.adapters.training.process import CHILD  # noqa: E402
from grokputer.runners.store.ledger import Ledger  # noqa: E402
from grokputer.runners.store.place import DatabaseUrl  # noqa: E402
from grokputer.runners.use_cases.access_keys import create_key  # noqa: E402
from grokputer.runners.use_cases.settings import change_setting  # noqa: E402

from .parts import MARK, Command, Part, command_line, processes_of, wait_until  # noqa: E402
from .vllm_server import BASE  # noqa: E402

GROKPUTER = (sys.executable, "-c", "from grokputer.cli import main; main()")
GATEWAYS = ("gateway-1", "gateway-2", "gateway-3")
VLLMS = ("vllm-1", "vllm-2")
POSTGRES, WORKER, RAY, TRAINING, S3 = "postgres", "worker", "ray", "training", "s3"
BUCKET = "adapters"
WHO = "the chaos run"


class Postgres:
    """The database server. It is killed as by a crash: no transaction ends, and nothing waits for the disk."""

    name = POSTGRES

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder)

    def start(self) -> None:
        self.server.start()

    def kill(self) -> None:
        self.server.stop("immediate")

    def stop(self) -> None:
        self.server.stop("fast")

    def is_alive(self) -> bool:
        try:
            id = int((self.server.folder / "data" / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return False
        return Path(f"/proc/{id}").exists()

    def is_ready(self) -> bool:
        return self.is_alive()


class Training:
    """The process of the Ray job under way. Nobody starts it again but the worker, as the next attempt."""

    name = TRAINING

    def start(self) -> None:
        """Nothing: the worker asks for the next attempt."""

    def kill(self) -> None:
        for id in self.processes():
            os.kill(id, 9)

    def stop(self) -> None:
        """Nothing: it ends with the cluster."""

    def is_alive(self) -> bool:
        return True

    def is_ready(self) -> bool:
        return bool(self.processes())

    def processes(self) -> list[int]:
        """The trainer's process, if it is there."""
        return [id for id in processes_of() if CHILD in command_line(id) and "-m ray" not in command_line(id)]


class Fleet:
    """All parts, in a folder; ``settings`` are those of the log beside the addresses.

    ``vllm`` is the Python of an environment with the real vLLM; None for fake servers.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], vllm: Path | None = None) -> None:
        self.folder, self._vllm = folder, vllm
        self.short = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
        """For what has sockets, whose paths must be short. Ray has some among temporary files. Removed at the end."""
        self.short.chmod(0o755)  # PostgreSQL does not run as root
        self._settings = settings
        names = (*GATEWAYS, *VLLMS, RAY, "dashboard", S3, "objects")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        for name in ("home", "output", "log", "vllm", "shared"):
            (folder / name).mkdir(parents=True)
        (self.short / "tmp").mkdir()
        os.environ.update(self._environment())
        (self.short / "pg").mkdir()
        self.postgres = Postgres(self.short / "pg")
        self.place: DatabaseUrl = self.postgres.server.place("demo")
        os.environ["GROKPUTER_DB"] = self.place.url
        self.training = Training()
        self.parts: list[Part] = [self.postgres]
        self.key = ""
        """The access key of the programs."""

    def _environment(self) -> dict[str, str]:
        return {
            MARK: self.short.name,
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.short / "tmp"),
            "GROKPUTER_HOME": str(self.folder / "log"),
            "OPENAI_API_KEY": "key-of-the-servers",
            "RAY_AUTH_MODE": "disabled",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
            **s3_server.VARIABLES,
            "AWS_ENDPOINT_URL": self.url(S3),
        }

    def url(self, name: str) -> str:
        """Where the part listens."""
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def gateways(self) -> dict[str, str]:
        """The addresses of the gateways' API by their names."""
        return {name: f"{self.url(name)}/v1" for name in GATEWAYS}

    @property
    def vllm_logs(self) -> dict[str, Path]:
        """By the address of a vLLM server, the file with what it was asked."""
        return {f"{self.url(name)}/v1": self.folder / "vllm" / f"{name}.jsonl" for name in VLLMS}

    def start(self) -> None:
        """Start every part, make the log and its key, and return when all answer."""
        objects = self._command(
            "objects", (str(s3_server.PROGRAM), "-H", "127.0.0.1", "-p", self.ports["objects"]), "/moto-api/"
        )
        door = self._module(S3, "door", self.ports[S3], self.ports["objects"], path="/moto-api/")
        program, more = ("vllm_server", ()) if self._vllm is None else ("real_vllm", (self._vllm,))
        vllms = [
            self._module(name, program, self.ports[name], self.folder / "vllm" / f"{name}.jsonl", *more, path="/health")
            for name in VLLMS
        ]
        first = [objects, door, self._ray(), *vllms]
        self._start(first)
        put(f"{self.url('objects')}/{BUCKET}")
        self._make_log()
        gateways = [
            self._command(
                name,
                (*GROKPUTER, "serve", "--no-worker", "--port", self.ports[name]),
                "/health/ready",
                self.ports[name],
            )
            for name in GATEWAYS
        ]
        self._start([*gateways, self._command(WORKER, (*GROKPUTER, "work"))])
        self.parts.append(self.training)

    def _start(self, parts: list[Command]) -> None:
        self.parts += parts
        for part in parts:
            part.start()
        for part in parts:
            wait_until(partial(_is_up, part), f"{part.name} answers; see {part.output}")

    def _command(self, name: str, words: tuple[object, ...], path: str = "", port: int | None = None) -> Command:
        address = f"http://127.0.0.1:{port or self.ports.get(name, 0)}{path}"
        answers: Callable[[], bool] = (lambda: does_answer(address)) if path else (lambda: True)
        return Command(name, [str(word) for word in words], self.folder / "output" / name, answers)

    def _module(self, name: str, module: str, *words: object, path: str) -> Command:
        return self._command(name, (sys.executable, "-m", f"{__package__}.{module}", *words), path)

    def _ray(self) -> Command:
        words = head_words(self.ports[RAY], self.ports["dashboard"], self.short / "ray")
        jobs = RayJobs(self.url("dashboard"), 0, "python")
        return Command(
            RAY,
            words,
            self.folder / "output" / RAY,
            lambda: jobs.look("none").state == JobState.UNKNOWN,
            spares=CHILD,  # a lost head leaves the processes of its jobs to themselves
        )

    def _make_log(self) -> None:
        ledger = Ledger.create(self.place)
        own = {
            "model.backend": "vllm",
            "model.endpoint": ", ".join(self.vllm_logs),
            "model.base": BASE,
            "registry.url": f"s3://{BUCKET}/demo",
            "training.launcher": "ray",
            "training.ray_address": self.url("dashboard"),
            "training.ray_python": sys.executable,
            "training.ray_gpus": 0,
            "training.shared_folder": str(self.folder / "shared"),
        }
        for key, value in {**own, **self._settings}.items():
            change_setting(ledger, key, value, actor=WHO)
        self.key = create_key(ledger, WHO, scopes=["infer", "feedback"], limits={}, actor=WHO).key
        ledger.close()

    def stop(self, *, keeps: tuple[str, ...] = ()) -> None:
        """Stop the parts, the last one first, but those to keep."""
        for part in [part for part in reversed(self.parts) if part.name not in keeps]:
            self.parts.remove(part)
            part.stop()

    def keep_logs(self) -> None:
        """Copy Ray's own logs into the folder. They may say why a run did not end."""
        for session in self.short.glob("ray/session_2*"):
            shutil.copytree(session / "logs", self.folder / "output" / f"{RAY}-{session.name}", dirs_exist_ok=True)

    def remove(self) -> None:
        """Remove what lies outside the folder."""
        shutil.rmtree(self.short, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _is_up(part: Part) -> bool:
    """Whether the part runs and answers; one that ended by itself is started again, as a supervisor does it."""
    if not part.is_alive():
        part.kill()
        part.start()
    return part.is_ready()


def does_answer(address: str) -> bool:
    """Whether something answers there, and well."""
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def has_s3_server() -> bool:
    """Whether ``make registry`` has installed it."""
    return s3_server.PROGRAM.exists()


def put(address: str) -> None:
    """Make what the address names."""
    with urllib.request.urlopen(urllib.request.Request(address, method="PUT"), timeout=30):
        pass
