"""One episode, step by step: the page is rendered, the actor answers, the environment carries the answer out.

Runs, demonstrations, manual corrections and sampled retries all use this module. So every training example was rendered
and carried out exactly as in a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ...domain.page.messages import Completion, Message, Page, Request
from ...domain.page.prompt import observe
from ...domain.ports import NO_MEDIA, Environment, Model, Teacher, complete
from ...domain.rules.roles import role_of_next_step
from .preface import Preface

Actor = Callable[[Page, Sequence[str], Sequence[Message]], Completion]
"""From the page, the actions so far and the rendered messages to an answer."""


@dataclass(frozen=True)
class Step:
    """One step: the prompt, the answer, and the page after it."""

    messages: list[Message]
    completion: Completion
    page: Page
    environment_ms: int
    seen: Page
    """The page that the answer was given on."""
    role: str
    """The role that made the step."""

    @property
    def answer(self) -> str:
        """The actor's answer."""
        return self.completion.text


class Episode:
    """An episode in progress: it knows whose turn it is and the next prompt, and carries out answers."""

    def __init__(
        self,
        environment: Environment,
        page: Page,
        max_steps: int,
        role: str = "action",
        preface: Preface = MappingProxyType({}),
        inputs: Mapping[str, str] = NO_MEDIA,
    ) -> None:
        self.environment = environment
        self.page = page
        self.max_steps = max_steps
        self.role = role
        self.turn = role
        """The role that makes the next step; the episode's own role begins."""
        self.preface = preface
        self.inputs = inputs
        """The pictures and sounds that came with the task, as ``data:`` URLs by their content keys."""
        self.history: list[str] = []
        self._done: set[tuple[tuple[str, ...], str]] = set()
        """The actions so far, each with the page that it was done on."""

    @property
    def is_over(self) -> bool:
        """Whether the task is done or the steps are used up."""
        return self.page.is_done or len(self.history) >= self.max_steps

    def would_repeat(self, answer: str) -> bool:
        """Whether the same action was already done on a page that looked like this one."""
        return (self.page.lines, answer) in self._done

    def ask(self) -> list[Message]:
        """The messages that ask for the next action."""
        return observe(self.page, self.history, self.preface.get(self.turn, ()), self.inputs)

    def take(self, messages: list[Message], completion: Completion) -> Step:
        """Carry out the answer to the messages."""
        before, made_by, began = self.page, self.turn, time.perf_counter()
        self._done.add((before.lines, completion.text))
        self.page = self.environment.act(completion.text)
        took_ms = round((time.perf_counter() - began) * 1000)
        self.turn = role_of_next_step(self.role, before, self.page, completion.text in self.history)
        self.history.append(completion.text)
        return Step(messages, completion, self.page, took_ms, before, made_by)


def play(
    environment: Environment,
    page: Page,
    actor: Actor,
    max_steps: int,
    role: str = "action",
    preface: Preface = MappingProxyType({}),
    inputs: Mapping[str, str] = NO_MEDIA,
) -> Iterator[Step]:
    """Play from the page on until the task is done or the steps are used up."""
    episode = Episode(environment, page, max_steps, role, preface, inputs)
    while not episode.is_over:
        messages = episode.ask()
        yield episode.take(messages, actor(episode.page, episode.history, messages))


def is_success(page: Page) -> bool:
    """Whether the task reports success: raw reward 1."""
    return page.is_done and page.reward >= 1.0


def ask_model(
    model: Model | Teacher,
    adapter: str | None,
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    media: Mapping[str, str] = NO_MEDIA,
) -> Actor:
    """An actor that asks the model, with the adapter applied. ``media`` is what the marks in its prompts stand for."""

    def act(page: Page, history: Sequence[str], messages: Sequence[Message]) -> Completion:
        request = Request(messages, adapter, max_tokens, temperature, seed + len(history), media=media)
        return complete(model, request)

    return act


def follow_script(decide: Callable[[Page, Sequence[str]], str]) -> Actor:
    """An actor that follows a scripted policy, such as a demonstration."""

    def act(page: Page, history: Sequence[str], messages: Sequence[Message]) -> Completion:
        return Completion(decide(page, history), None, None, 0)

    return act


def repeat_actions(actions: Sequence[str], then: Actor | None = None) -> Actor:
    """An actor that repeats the given actions in order, and then lets another actor continue."""

    def act(page: Page, history: Sequence[str], messages: Sequence[Message]) -> Completion:
        if then is not None and len(history) >= len(actions):
            return then(page, history, messages)
        return Completion(actions[len(history)], None, None, 0)

    return act
