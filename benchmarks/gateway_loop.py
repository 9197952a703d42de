"""A whole cycle through the gateway: programs ask it, a person rates in a browser, and an adapter is promoted.

    python benchmarks/gateway_loop.py --folder loop

Three processes do tasks of the shell with the plain ``openai`` client: each task is one request to the model ``action``, and
its command is carried out in a sandbox. A scripted person signs in with a browser, and rates the requests one by one: five
stars where the command does the task, else one star and the right command. After 240 ratings a worker trains; then the
programs and the person go on until the canary is decided. The end is ``grokputer why``, which must name requests that the
programs made. Needs the extras serve, endpoint, train and shell, Chromium, and the weights of smollm2 (``make weights``).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from gateways import PROGRAM, process_on  # noqa: E402

PROCESSES, FEEDBACK, MOST = 3, 240, 900
SETTINGS = {
    "model.base": "smollm2",
    "run.max_tokens": 24,
    "rating.rule": "threshold",
    "canary.rule": "relative",
    "canary.weight_percent": 50,
    "canary.min_runs": 20,
    "canary.bake_s": 0,
    "canary.interval_s": 0,
    "training.retries": 0,
}
"""Those of ``make demo-llm``."""


def main() -> None:
    """Run the cycle in the folder."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, default=Path("loop"))
    options.add_argument("--seed", type=int, default=1)
    arguments = options.parse_args()
    arguments.folder.mkdir(parents=True)
    db = (arguments.folder / "events.db").resolve()
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {line}", flush=True)

    grokputer("init", db=db)
    for key, value in SETTINGS.items():
        grokputer("settings", "set", key, str(value), db=db)
    key = re.findall(r"gp_\S+", grokputer("keys", "create", "ada", "--scope", "infer", "--scope", "rate", db=db))[0]
    with process_on(db) as (_, url):
        play(url.removesuffix("/v1"), key, db, arguments.seed, say)


def play(site: str, key: str, db: Path, seed: int, say: Callable[[str], None]) -> None:
    """Let programs ask, a person rate and a worker train, until the canary is decided; then say why."""
    stop = mp.Event()
    asked: mp.Queue[str] = mp.Queue()
    programs = [mp.Process(target=do_tasks, args=(site, key, number, seed, stop, asked)) for number in range(PROCESSES)]
    for program in programs:
        program.start()
    say(f"{PROCESSES} programs ask {site}/v1")
    worker = None
    try:
        for rated, stars in rate(site, key, db):
            if rated in (FEEDBACK // 4, FEEDBACK // 2, FEEDBACK) or (rated > FEEDBACK and rated % 40 == 0):
                say(f"{rated} requests rated, the last {len(stars)} with {sum(stars) / len(stars):.2f} stars")
            if rated == FEEDBACK:
                stop.set()
                worker = subprocess.Popen([sys.executable, "-c", PROGRAM, "work", "--db", str(db)])
                say("a worker trains; the programs wait")
                wait_for(db, "RolloutStarted", worker)
                say("the canary has begun")
                stop.clear()
            if rated > FEEDBACK and (decided := decision(db)):
                say(f"decided: {decided}")
                break
            if rated >= MOST:
                raise SystemExit(f"not decided after {rated} ratings")
        conclude(db, asked, say)
    finally:
        stop.set()
        for program in programs:
            program.terminate()
        if worker is not None:
            worker.terminate()
            worker.wait()


def do_tasks(site: str, key: str, number: int, seed: int, stop: Event, asked: mp.Queue[str]) -> None:
    """One program: it does tasks until it is ended, and pauses while ``stop`` is set."""
    import random

    import openai

    from grokputer.domain.page.prompt import observe
    from grokputer.runners.bench.language import FAMILIES
    from grokputer.runners.environments.shell.environment import Shell
    from grokputer.runners.environments.shell.families import OWN

    client = openai.OpenAI(base_url=f"{site}/v1", api_key=key)
    shell, draw = Shell(OWN), random.Random(f"{seed}/{number}")
    while True:
        if stop.is_set():
            time.sleep(0.5)
            continue
        task, instance = draw.choice(FAMILIES), draw.randrange(10**6)
        messages = observe(shell.reset(task, instance), [])
        session = {"x-session-id": f"{task}#{instance}"}
        raw = client.chat.completions.with_raw_response.create(model="action", messages=messages, extra_headers=session)  # type: ignore[arg-type]
        asked.put(raw.headers["x-grokputer-run"])
        shell.act(raw.parse().choices[0].message.content or "")


def rate(site: str, key: str, db: Path):  # type: ignore[no-untyped-def]
    """Rate what waits, the oldest first, in a browser: the number of ratings, and the latest stars, after each."""
    from page_visits import Person, browsing

    from grokputer.domain.page.action import write_command
    from grokputer.runners.environments.shell.environment import Shell
    from grokputer.runners.environments.shell.families import OWN

    shell, rated, latest = Shell(OWN), 0, list[int]()
    with browsing() as browser:
        person = Person(browser, site)
        person.sign_in(key)
        while True:
            person.go("/rate?order=oldest")
            if not person.path.startswith("/rate/"):
                time.sleep(0.5)
                continue
            [named] = re.findall(r"session (\S+?#\d+)", person.text())
            task, instance = named.split("#")
            shell.reset(task, int(instance))
            page = shell.act(person.text(".did"))
            does_it = page.is_done and page.reward > 0
            person.press("5" if does_it else "1")
            if not does_it:
                person.value("document.querySelector('[value=wrong_action]').click()")
                [solution] = OWN.make(task, int(instance)).solution
                person.fill("#correction", write_command(str(solution)))
            person.click("[value=stay]")
            assert "saved" in person.text(".said"), person.text()
            rated += 1
            latest = [*latest, 5 if does_it else 1][-40:]
            yield rated, latest


def wait_for(db: Path, event: str, worker: subprocess.Popen[bytes]) -> None:
    """Wait until the event is in the log."""
    while not grokputer("log", "--event", event, "--json", db=db):
        if worker.poll() is not None:
            raise SystemExit("the worker has ended")
        if "CycleClosed" in grokputer("log", "--event", "CycleClosed", db=db):
            raise SystemExit(grokputer("status", db=db))
        time.sleep(2)


def decision(db: Path) -> str:
    """What became of the canary; empty while it is under way."""
    ended = grokputer("log", "--event", "AdapterPromoted", "--event", "AdapterRolledBack", "--json", db=db)
    return ", ".join(json.loads(line)["event"] for line in ended.splitlines())


def conclude(db: Path, asked: mp.Queue[str], say) -> None:  # type: ignore[no-untyped-def]
    """Say why, and check that it names requests of the programs."""
    runs = set()
    while not asked.empty():
        runs.add(asked.get())
    why = grokputer("why", "lora-v1", "--json", db=db)
    named = {run for run in runs if run in why or run[:8] in why}
    say(f"{len(runs)} requests; 'why lora-v1' names {len(named)} of them")
    print(grokputer("why", "lora-v1", db=db)[:3000])
    print(grokputer("verify", db=db))
    if not named:
        raise SystemExit("'why' names none of the requests")


def grokputer(*words: str, db: Path) -> str:
    """What the command prints."""
    command = [sys.executable, "-c", PROGRAM, *words, "--db", str(db)]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "COLUMNS": "120"}
    ).stdout


if __name__ == "__main__":
    main()
