"""A scheduler of shell scripts, for trainings that run elsewhere: it starts jobs by name in their own sessions, says how they
stand, and ends them. Jobs wait while its file ``full`` is there."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

from grokputer.adapters.launching.command import CommandScheduler

START = """#!/bin/sh
# start NAME FOLDER: the job waits while the scheduler is full, then runs the trainer; its process id is in jobs/NAME.
cd "$(dirname "$0")" || exit 1
[ -e closed ] && { echo "the queue is closed" >&2; exit 3; }
echo "$1" >> started
[ -e jobs/"$1" ] && exit 0
nohup setsid sh -c 'while [ -e full ]; do sleep 0.05; done; rm -f "waiting/$1"; exec $TRAINER "$2"' sh "$1" "$2" \
  >> "jobs.log" 2>&1 < /dev/null &
echo $! > jobs/"$1"
[ -e full ] && touch waiting/"$1"
exit 0
"""
POLL = """#!/bin/sh
cd "$(dirname "$0")" || exit 1
[ -e silent ] && { echo "no connection" >&2; exit 1; }
[ -e jobs/"$1" ] || exit 0
if kill -0 "$(cat jobs/"$1")" 2> /dev/null; then
  if [ -e waiting/"$1" ]; then echo "PENDING (no node is free)"; else echo RUNNING; fi
else
  echo "FAILED (the process is gone)"
fi
"""
KILL = """#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "$1" >> killed
kill -9 "-$(cat jobs/"$1")"
"""
QUICK_TRAINER = """
import hashlib, json, os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
steps = [int(each.name.split("-")[1]) for each in folder.glob("checkpoint-*")]
step = max(steps, default=0)
while step < 4:
    step += 1
    with (folder / "progress.jsonl").open("a") as stream:
        loss = {"step": step, "total_steps": 4, "loss": 1 / step, "epoch": step / 4}
        stream.write(json.dumps({**loss, "examples_per_s": 1.0, "elapsed_s": 1.0}) + "\\n")
    (folder / f"checkpoint-{step}").mkdir()
    while (folder.parent / f"stop-at-{step}").exists():
        time.sleep(0.02)
(folder / "adapter").mkdir(exist_ok=True)
(folder / "adapter" / "adapter_config.json").write_text("{}")
digest = hashlib.sha256(b"{}").hexdigest()
sums = hashlib.sha256(f"{digest}  adapter_config.json\\n".encode()).hexdigest()
result = {
    "adapter_hash": f"sha256:{sums}", "dataset_hash": "sha256:dd", "base_fingerprint": "sha256:00", "duration_s": 1.0,
    "peak_memory_bytes": 1, "examples": 1, "left_out": 0, "tokens": 1, "steps": 4, "final_loss": 0.25, "device": "cpu",
    "versions": {},
}
aside = folder / "result.aside"
aside.write_text(json.dumps(result))
aside.rename(folder / "result.json")
"""


class ShellScheduler:
    """The scripts in a folder, and what they have done."""

    def __init__(self, folder: Path, trainer: str | None = None) -> None:
        """``trainer`` is the command of a job, before its folder; by default one that is over at once."""
        self.folder = folder
        for name in ("jobs", "waiting"):
            (folder / name).mkdir(parents=True)
        quick = folder / "trainer.py"
        quick.write_text(QUICK_TRAINER)
        command = trainer or f"{sys.executable} {quick}"
        for name, script in (("start", START), ("poll", POLL), ("kill", KILL)):
            file = folder / name
            file.write_text(script.replace("$TRAINER", command))
            file.chmod(file.stat().st_mode | stat.S_IXUSR)

    @property
    def commands(self) -> dict[str, str]:
        """The settings of it, without ``training.``."""
        return {
            "command": f"{self.folder}/start {{job}} {{folder}}",
            "poll_command": f"{self.folder}/poll {{job}}",
            "kill_command": f"{self.folder}/kill {{job}}",
        }

    @property
    def port(self) -> CommandScheduler:
        """The scheduler as the program has it."""
        commands = self.commands
        return CommandScheduler(commands["command"], commands["poll_command"], commands["kill_command"])

    def has(self, name: str) -> None:
        """Make the scheduler ``full``, ``closed`` or ``silent``."""
        (self.folder / name).touch()

    def is_no_longer(self, name: str) -> None:
        """Take that back."""
        (self.folder / name).unlink()

    def forget_all(self) -> None:
        """Know none of the jobs any more, whose processes go on."""
        for job in (self.folder / "jobs").iterdir():
            job.unlink()

    def done(self, what: str) -> list[str]:
        """The names of the jobs that were ``started`` or ``killed``, in order."""
        file = self.folder / what
        return file.read_text().split() if file.exists() else []

    def kill(self, job: str) -> None:
        """End the job's process as a machine without memory does."""
        os.killpg(int((self.folder / "jobs" / job).read_text()), 9)

    def forget(self, job: str) -> None:
        """Lose the job and what is known of it."""
        self.kill(job)
        (self.folder / "jobs" / job).unlink()


def wait_until(is_true: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Wait until it is true, for a limited time."""
    deadline = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def read_json(file: Path) -> dict[str, object]:
    """The JSON of a file."""
    read: dict[str, object] = json.loads(file.read_text())
    return read
