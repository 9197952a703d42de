"""The load: programs that ask the gateways with OpenAI's client, and rate and correct what they are told."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .pages import Question, draw

TRIES, PAUSE_S = 40, 0.5
"""How often a program asks again, and the seconds between; chosen: longer than any part is away."""
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Answered:
    """A request that was answered, and whether its rating was acknowledged."""

    key: str
    """Its ``Idempotency-Key``, and the id of its feedback."""
    run: str
    adapter: str
    text: str
    stars: int
    is_rated: bool
    """Whether the rating was acknowledged."""
    began: float
    ended: float
    """Seconds since the epoch."""
    tries: int


class Programs:
    """Threads that ask until they are stopped, and what they got. Each of them has its own questions, by the seed."""

    def __init__(
        self, gateways: Mapping[str, str], key: str, file: Path, *, seed: int, threads: int, per_s: float
    ) -> None:
        """``per_s`` are the questions of all threads in a second, if the answers come fast enough."""
        import openai

        self.answered: list[Answered] = []
        self.given_up: list[tuple[float, str]] = []
        """When a program gave up a request, and why."""
        self.problem: BaseException | None = None
        self._clients = [
            openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=TIMEOUT_S) for url in gateways.values()
        ]
        self._file, self._pause_s = file, threads / per_s
        self._is_over, self._mutex = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(seed, number)) for number in range(threads)]

    def begin(self) -> None:
        """Ask from now on."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Ask nothing more, and wait for what is under way."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        for client in self._clients:
            client.close()

    def _run(self, seed: int, number: int) -> None:
        chance, count = random.Random(f"{seed}/{number}"), 0
        try:
            while not self._is_over.wait(self._pause_s * chance.uniform(0.5, 1.5)):
                count += 1
                self._ask(draw(chance), f"{number}-{count}", chance)
        except Exception as error:
            self.problem = error

    def _ask(self, question: Question, key: str, chance: random.Random) -> None:
        began, tries, got, said = time.time(), 0, None, ""
        headers = {"Idempotency-Key": key, "x-session-id": key}
        while got is None and tries < TRIES and not said.startswith("final"):
            tries += 1
            got, said = self._attempt(
                lambda client: client.chat.completions.with_raw_response.create(
                    model="action", messages=question.messages, max_tokens=24, temperature=0, extra_headers=headers
                ),
                chance,
            )
        if got is None:
            self._note({"key": key, "given up": said, "began": began, "tries": tries})
            self.given_up.append((began, said))
            return
        text, ended = got.parse().choices[0].message.content or "", time.time()
        stars = 5 if text.strip() == question.right else 1
        is_rated = self._rate(got.headers["x-grokputer-run"], stars, question.right, key, chance)
        found = got.headers["x-grokputer-adapter"]
        self._keep(Answered(key, got.headers["x-grokputer-run"], found, text, stars, is_rated, began, ended, tries))

    def _rate(self, run: str, stars: int, right: str, key: str, chance: random.Random) -> bool:
        """Whether the rating, with a correction of a wrong answer, was acknowledged."""
        body = {"run": run, "stars": stars, "id": key, **({} if stars > 1 else {"correction": right})}
        for _ in range(TRIES):
            got, said = self._attempt(lambda client: client.post("/feedback", body=body, cast_to=object), chance)
            if got is not None:
                return True
            if said.startswith("final"):
                break
        return False

    def _attempt(self, ask: Any, chance: random.Random) -> tuple[Any, str]:
        """What one of the gateways answers; else None and why, which begins with ``final`` where asking again is of no use."""
        import openai

        try:
            return ask(chance.choice(self._clients)), ""
        except openai.APIStatusError as error:
            is_final = error.response.headers.get("x-should-retry") == "false" or error.status_code in (
                400,
                401,
                404,
                422,
            )
            said = f"{'final ' if is_final else ''}{error.status_code} {error.message}"
        except openai.APIError as error:
            said = f"{type(error).__name__} {error}"
        if not said.startswith("final"):
            time.sleep(PAUSE_S)
        return None, said

    def _keep(self, answered: Answered) -> None:
        self.answered.append(answered)
        self._note(asdict(answered))

    def _note(self, row: Mapping[str, Any]) -> None:
        with self._mutex, self._file.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
