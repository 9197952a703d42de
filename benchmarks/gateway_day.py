"""A simulated day at the gateway: a thousand requests an hour, people who rate a tenth of them, and a canary that is better.

    python benchmarks/gateway_day.py --folder day

Each request moves the log's clock by 3.6 seconds, so a day takes minutes. The endpoint is a mock: its base answers well in
six of ten requests, its adapter in eight. Every six hours the pages are photographed into the folder. At the end it
prints what was decided and when, and what the day cost.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from grokputer.domain.vocabulary import Scope  # noqa: E402
from grokputer.runners.gateway.gateway import Gateway  # noqa: E402
from grokputer.runners.store.ledger import Ledger  # noqa: E402
from grokputer.runners.use_cases.access_keys import create_key  # noqa: E402
from grokputer.runners.use_cases.settings import change_setting, unset_setting  # noqa: E402
from story import Story  # noqa: E402

AN_HOUR, RATED, TOGETHER = 1000, 0.1, 16
GOOD = {"base": 0.6, "lora-v1": 0.8}
WORDS = ("weather", "invoice", "train", "recipe", "poem", "address", "meeting", "budget")


class Day:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """The time of the day."""
        return self.time


async def main() -> None:
    """Run the day."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, default=Path("day"))
    options.add_argument("--hours", type=int, default=24)
    options.add_argument("--seed", type=int, default=1)
    arguments = options.parse_args()
    arguments.folder.mkdir(parents=True)
    clock, draw = Day(), random.Random(arguments.seed)
    upstream, endpoint = await listen(mock(draw))
    path = arguments.folder / "events.db"
    key = prepare(path, endpoint, clock)
    gateway, site = await listen(Gateway(path, clock=clock).application())
    began, cpu = time.monotonic(), time.process_time()
    headers = {"authorization": f"Bearer {key}"}
    try:
        async with aiohttp.ClientSession(headers=headers) as client:
            for hour in range(arguments.hours):
                for _ in range(AN_HOUR // TOGETHER):
                    clock.time += timedelta(seconds=3600 / AN_HOUR * TOGETHER)
                    await asyncio.gather(*(ask(client, site, draw) for _ in range(TOGETHER)))
                if hour % 6 == 5:
                    await asyncio.sleep(1)  # the gateway follows its log
                    await asyncio.to_thread(photograph, site, key, arguments.folder, hour + 1)
                print(f"hour {hour + 1:2}: {await standing(client, site)}", flush=True)
        print(
            f"{arguments.hours * AN_HOUR // TOGETHER * TOGETHER} requests in {time.monotonic() - began:.0f} s; "
            f"{(time.process_time() - cpu):.0f} s of CPU with the mock endpoint and the clients; "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB; log {path.stat().st_size / 1e6:.0f} MB"
        )
    finally:
        await gateway.cleanup()
        await upstream.cleanup()


async def ask(client: aiohttp.ClientSession, site: str, draw: random.Random) -> None:
    """One request, and perhaps a person's rating of its answer."""
    question = f"Please write the {draw.choice(WORDS)} number {draw.randrange(10**6)}."
    body = {"model": "action", "messages": [{"role": "user", "content": question}]}
    async with client.post(f"{site}/v1/chat/completions", json=body) as response:
        answer = (await response.json())["choices"][0]["message"]["content"]
        run = response.headers["x-grokputer-run"]
    if draw.random() < RATED:
        is_good = answer.startswith("Here")
        feedback: dict[str, Any] = {
            "run": run,
            "stars": 5 if is_good else 2,
            "issues": [] if is_good else ["imprecise"],
        }
        async with client.post(f"{site}/v1/feedback", json=feedback) as response:
            assert response.status == 201, await response.text()


async def standing(client: aiohttp.ClientSession, site: str) -> str:
    """How the role stands."""
    async with client.get(f"{site}/?format=json") as response:
        [role] = [each for each in (await response.json())["roles"] if each["role"] == "action"]
    canary = role["canary"]
    live = f"live {role['live'] or 'base'}, {role['runs']} runs, mean {role['window']['mean']}"
    return f"{live}; {canary['adapter']} {canary['weight_percent']} %: {canary['message']}" if canary else live


def mock(draw: random.Random) -> web.Application:
    """An endpoint that answers well as often as the model asked for does."""

    async def complete(request: web.Request) -> web.Response:
        asked = await request.json()
        is_good = draw.random() < GOOD.get(asked["model"], GOOD["base"])
        text = "Here it is, in three sentences." if is_good else "I am not sure what you mean."
        message = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28}
        return web.json_response({"id": "x", "object": "chat.completion", "choices": [message], "usage": usage})

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "tiny"}, {"id": "lora-v1"}]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    app.router.add_get("/v1/models", models)
    return app


async def listen(app: web.Application) -> tuple[web.AppRunner, str]:
    """The running application, and its address."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


def prepare(path: Path, endpoint: str, clock: Day) -> str:
    """A log whose adapter has just become a canary, before the endpoint; a key for it."""
    story = Story(path, clock)
    adapter = story.train(story.fall())
    for _ in range(120):
        story.run(succeeds=None)  # as in the day's traffic, nothing judges a run, so ratings alone decide
    unset_setting(story.ledger, "canary.rule", actor="ada")  # the rule of a rollout is fixed at its start
    story.prove(adapter)
    story.ledger.close()
    ledger = Ledger.open(path, clock)
    settings = {"model.backend": "openai", "model.endpoint": f"{endpoint}/v1", "model.base": "tiny"}
    for name, value in settings.items():
        change_setting(ledger, name, value, actor="ada")
    made = create_key(ledger, "ada", scopes=list(Scope), limits={}, actor="ada")
    ledger.close()
    return made.key


def photograph(site: str, key: str, folder: Path, hour: int) -> None:
    """Pictures of the first page, of the rollout and of failures."""
    from page_visits import Person, browsing

    with browsing() as browser:
        person = Person(browser, site)
        person.sign_in(key)
        person.look(1024)
        for name, page in {
            "home": "/",
            "rollout": "/rollouts/lora-v1",
            "failures": "/failures",
            "rate": "/rate",
        }.items():
            person.go(page)
            person.shoot(folder / f"{hour:02}-{name}.png")


if __name__ == "__main__":
    asyncio.run(main())
