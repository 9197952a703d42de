"""One episode, step by step: the observer renders the page, the actor answers, the environment does what it says.

Runs, demonstrations, corrections by hand and sampled retries are all played here, so whatever becomes a training example
was rendered and carried out exactly as a run is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...domain.page.messages import Completion, Message, Page
from ...domain.page.prompt import observe
from ...domain.ports import Environment, Model, Teacher
from ...domain.rules.roles import role_of_next_step

Actor = Callable[[Page, Sequence[str], Sequence[Message]], Completion]
"""Answers a page: given the page, the actions so far and the rendered messages."""


@dataclass(frozen=True)
class Step:
    """One step as it was taken: what was asked, what was answered, and the page that came of it."""

    messages: list[Message]
    completion: Completion
    page: Page
    environment_ms: int
    role: str
    """Whose turn it was."""

    @property
    def answer(self) -> str:
        """What the actor answered."""
        return self.completion.text


class Episode:
    """An episode under way: it says whose turn it is and what is to be asked, and carries out what is answered."""

    def __init__(self, environment: Environment, page: Page, max_steps: int, role: str = "action") -> None:
        self.environment = environment
        self.page = page
        self.max_steps = max_steps
        self.role = role
        self.turn = role
        """The role that makes the next step; the episode's own begins."""
        self.history: list[str] = []
        self._done: set[tuple[tuple[str, ...], str]] = set()
        """What was done on which page."""

    @property
    def is_over(self) -> bool:
        """Whether the task is done or the steps are used up."""
        return self.page.is_done or len(self.history) >= self.max_steps

    def would_repeat(self, answer: str) -> bool:
        """Whether just this was done before on a page that looked as it does now: then it has led nowhere."""
        return (self.page.lines, answer) in self._done

    def ask(self) -> list[Message]:
        """The messages that ask for the next action."""
        return observe(self.page, self.history)

    def take(self, messages: list[Message], completion: Completion) -> Step:
        """Carry out what was answered to the messages."""
        before, made_by, began = self.page, self.turn, time.perf_counter()
        self._done.add((before.lines, completion.text))
        self.page = self.environment.act(completion.text)
        took_ms = round((time.perf_counter() - began) * 1000)
        self.turn = role_of_next_step(self.role, before, self.page, completion.text in self.history)
        self.history.append(completion.text)
        return Step(messages, completion, self.page, took_ms, made_by)


def play(environment: Environment, page: Page, actor: Actor, max_steps: int, role: str = "action") -> Iterator[Step]:
    """Go on from the page until the task is done or the steps are used up."""
    episode = Episode(environment, page, max_steps, role)
    while not episode.is_over:
        messages = episode.ask()
        yield episode.take(messages, actor(episode.page, episode.history, messages))


def is_success(page: Page) -> bool:
    """Whether the task says it was done: raw reward 1."""
    return page.is_done and page.reward >= 1.0


def ask_model(
    model: Model | Teacher, adapter: str | None, max_tokens: int, temperature: float = 0.0, seed: int = 0
) -> Actor:
    """An actor that is the model, with the adapter applied."""

    def act(page: Page, history: Sequence[str], messages: Sequence[Message]) -> Completion:
        return model.complete(
            messages, adapter=adapter, max_tokens=max_tokens, temperature=temperature, seed=seed + len(history)
        )

    return act


def follow_script(decide: Callable[[Page, Sequence[str]], str]) -> Actor:
    """An actor that is a scripted policy, such as a demonstration."""

    def act(page: Page, history: Sequence[str], messages: Sequence[Message]) -> Completion:
        return Completion(decide(page, history), None, None, 0)

    return act


def repeat_actions(actions: Sequence[str], then: Actor | None = None) -> Actor:
    """An actor that does what was written down, one action after another, and then leaves it to another."""

    def act(page: Page, history: Sequence[str], messages: Sequence[Message]) -> Completion:
        if then is not None and len(history) >= len(actions):
            return then(page, history, messages)
        return Completion(actions[len(history)], None, None, 0)

    return act
