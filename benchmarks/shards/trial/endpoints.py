"""Three vLLM servers of which one starts again and one serves the base without a word: does the adapter's traffic stop there?

The servers are the fakes of the tests: HTTP servers with a tiny real model, which register, forget and lie as vLLM does. What
asks them is the product's: ``adapters/fleet``, its proof by log-probabilities, and ``AdapterServed`` in a log.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

from grokputer.adapters.registry.local import WeightStore
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.local import LocalModel
from grokputer.adapters.training.trainer import train_job
from grokputer.domain.aggregates.base import ACTOR
from grokputer.domain.events import AdapterServed, AdapterUnserved
from grokputer.domain.page.messages import Request
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.wiring.served import LoggedServing

from ..world import make_adapter

SUPPORT = Path(__file__).parents[3] / "tests" / "support"
NAME = "lora-v1"
REQUESTS = 24


def try_fleet(folder: Path) -> tuple[list[str], list[str]]:
    """The table's lines, and what is wrong."""
    if str(SUPPORT) not in sys.path:
        sys.path.insert(0, str(SUPPORT))
    from fake_vllm import FakeVllm
    from fleets import answered_by, fleet_of
    from tiny_base import build_base, click_examples, job, quiet_libraries

    folder.mkdir(parents=True)
    base = build_base(folder / "base")
    with quiet_libraries(), redirect_stdout(sys.stderr):
        weights = train_job(job(folder, base, click_examples(64, done=True))).adapter
    with ExitStack() as stack:
        model = LocalModel(Base(str(base)))
        stack.callback(model.close)
        servers = [stack.enter_context(FakeVllm(model, weights)) for _ in range(3)]
        stored = WeightStore(folder / "weights").put(weights)
        ledger = Ledger.create(folder / "events.db")
        ledger.store(make_adapter(1, ledger.context(ACTOR), stored.hash))
        path = WeightStore(folder / "weights").path(stored.hash)
        fleet = fleet_of(*servers, record=LoggedServing(ledger, lambda: load_state(ledger)))
        stack.callback(fleet.close)
        fleet.load(NAME, path)
        requests = [Request(example.messages, NAME, 8) for example in click_examples(REQUESTS, seed=9)]

        def ask() -> tuple[list[int], int]:
            """The adapter's answers by server, and the answers that are not the adapter's."""
            before = answered_by(servers, path.name)
            answers = fleet.complete_many(requests)
            after = answered_by(servers, path.name)
            wrong = sum(getattr(answer, "text", "") != "DONE" for answer in answers)
            return [now - then for now, then in zip(after, before, strict=True)], wrong

        first, wrong_before = ask()
        servers[1].restart()
        servers[2].lies.add("base")
        servers[2].restart()
        second, wrong_after = ask()
        facts = [event for _, event in ledger.read() if isinstance(event, (AdapterServed, AdapterUnserved))]
        return _table([server.url for server in servers], first, second, facts), _problems(
            first, second, wrong_before + wrong_after
        )


def _table(
    urls: list[str], first: list[int], second: list[int], facts: list[AdapterServed | AdapterUnserved]
) -> list[str]:
    happened = (
        "goes on",
        "starts again, and has forgotten the adapter",
        "starts again, and serves the base in its place",
    )
    lines = ["| server | answers of the adapter | then | proofs in the log | answers of the adapter after that |"]
    lines += ["|---|---|---|---|---|"]
    for number, url in enumerate(urls):
        found = ", ".join(_say(fact) for fact in facts if fact.endpoint == url)
        lines.append(f"| {number + 1} | {first[number]} | {happened[number]} | {found} | {second[number]} |")
    return lines


def _say(fact: AdapterServed | AdapterUnserved) -> str:
    return "applied" if isinstance(fact, AdapterServed) else "not applied"


def _problems(first: list[int], second: list[int], wrong: int) -> list[str]:
    problems = [f"{wrong} answers were not the adapter's"] if wrong else []
    problems += [] if min(first) else ["a server got no traffic before"]
    problems += [] if min(second[:2]) else ["a server that applies the adapter got no traffic after its start"]
    return [*problems, *([f"{second[2]} requests went to the server that serves the base"] if second[2] else [])]
