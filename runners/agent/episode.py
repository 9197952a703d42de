"""One episode, step by step: the page is rendered, the actor answers, the environment carries the answer out.

Runs, demonstrations, manual corrections and sampled retries all use this module. So every training example was rendered
and carried out exactly as in a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ...domain.page.messages import Completion, Message, Page, Request
from ...domain.page.plan import Goal, plan_of_one
from ...domain.page.prompt import ask_for_check, ask_for_plan, observe, unmarked
from ...domain.ports import NO_MEDIA, Environment, Model, PlannedScript, Script, Teacher, complete
from ...domain.rules.coordination import Coordinator, PlanBounds
from ...domain.rules.roles import PLANS, READS, RECOVERS, changed_nothing, role_of_next_step
from ...domain.vocabulary import Finding, StepKind
from .preface import Preface
from .sight import Sight

UNSEEN = "the goal is not reached: the page does not show it"
REFUSED = "a check found that the goal is not reached"
"""Why an answer that says that a goal is reached was not believed."""


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
    kind: StepKind = StepKind.ACT
    goal: int = 0
    """The goal of the plan that the step served, from 1; 0 without one."""
    found: Finding | None = None
    """What was found after the step."""
    confidence: float | None = None
    """The lowest score of the read words that the step used; None where it used none."""
    goals: tuple[tuple[Goal, bool], ...] = ()
    """The goals of the plan after the step, each with whether it was reached; empty without a plan."""

    @property
    def answer(self) -> str:
        """The actor's answer."""
        return self.completion.text


class Episode:
    """An episode in progress: it knows whose turn it is and the next prompt, and carries out answers.

    With ``bounds`` it plans; see ``Coordinator``. With ``sight`` it reads its pages.
    """

    def __init__(
        self,
        environment: Environment,
        page: Page,
        max_steps: int,
        role: str = "action",
        preface: Preface = MappingProxyType({}),
        bounds: PlanBounds | None = None,
        sight: Sight | None = None,
        inputs: Mapping[str, str] = NO_MEDIA,
    ) -> None:
        self.environment = environment
        self.sight = sight
        self.page = page if sight is None else sight.look(environment, page)
        self.max_steps = max_steps
        self.role = role
        self.preface = preface
        self.inputs = inputs
        """The pictures and sounds that came with the task, as ``data:`` URLs by their content keys."""
        self.coordinator = Coordinator(bounds)
        self._turn = role
        self.history: list[str] = []
        """The acts so far."""
        self.taken = 0
        """The number of steps so far, of any kind."""
        self._since = 0
        """The acts before the present goal's."""
        self._done: set[tuple[tuple[str, ...], int, str]] = set()
        """The answers so far, each with the page and the goal that it was given on."""
        self._pass_turn()

    @property
    def is_over(self) -> bool:
        """Whether the task is done or the steps are used up."""
        return self.page.is_done or len(self.history) >= self.max_steps

    @property
    def kind(self) -> StepKind:
        """What the next step does. A page is read before anything is planned, done or checked on it."""
        return StepKind.READ if self.sight is not None and self.sight.is_waiting else self.coordinator.kind

    @property
    def turn(self) -> str:
        """The role that makes the next step; where it neither reads nor plans, the episode's own role begins."""
        return READS.get(self.role, self.role) if self.kind == StepKind.READ else self._turn

    @property
    def done_for_goal(self) -> Sequence[str]:
        """The acts for the present goal; without one all acts that were carried out."""
        if self.coordinator.are_all_reached:
            return [act for act in self.history if act.strip() != "DONE"]
        return self.history[self._since :]

    def would_repeat(self, answer: str) -> bool:
        """Whether the same answer was already given on a page that looked like this one, for the same goal. A check may be
        answered the same again, and a reading too."""
        return (
            self.kind not in (StepKind.CHECK, StepKind.READ)
            and (self.page.lines, self.coordinator.goal, answer) in self._done
        )

    def ask(self) -> list[Message]:
        """The messages that ask for the next step."""
        before, coordinator = self.preface.get(self.turn, ()), self.coordinator
        page = replace(self.page, inputs=self.inputs) if self.inputs else self.page
        if self.kind == StepKind.READ:
            assert self.sight is not None
            return [*before, *unmarked(self.sight.ask(page))]
        if self.kind == StepKind.PLAN:
            return ask_for_plan(page, coordinator.reached, before)
        if self.kind == StepKind.CHECK:
            return ask_for_check(page, self.done_for_goal, coordinator.now, before)
        return observe(page, self.done_for_goal, before, coordinator.now)

    def answer_alone(self) -> Completion | None:
        """The answer of a step for which no model is asked; None where one is."""
        return None if self.sight is None else self.sight.answer_alone()

    def take(self, messages: list[Message], completion: Completion) -> Step:
        """Take the answer to the messages: read, follow a plan, believe a check, or carry an act out."""
        if self.kind == StepKind.READ:
            return self._read(messages, completion)
        before, made_by, kind, goal = self.page, self.turn, self.kind, self.coordinator.goal
        is_act = kind == StepKind.ACT and self.sight is not None
        confidence = self.sight.confidence(completion.text, before) if is_act and self.sight is not None else None
        self._done.add((before.lines, goal, completion.text))
        self._turn, self.taken, took_ms = self.role, self.taken + 1, 0
        if kind == StepKind.ACT:
            began = time.perf_counter()
            found = self._act(completion.text)
            took_ms = round((time.perf_counter() - began) * 1000) - self._reading_ms()
            after = self.page
        else:
            found = self._follow(kind, completion.text)
            after = replace(before, error="")
        if self.coordinator.goal != goal:
            self._since = len(self.history)
        self._pass_turn()
        took_ms, goals = max(0, took_ms), self.coordinator.goals
        return Step(messages, completion, after, took_ms, before, made_by, kind, goal, found, confidence, goals)

    def _read(self, messages: list[Message], completion: Completion) -> Step:
        """Take the answer over as the lines of the page; whose turn it is afterwards stays as it was."""
        assert self.sight is not None
        before, made_by, took_ms = self.page, self.turn, self._reading_ms()
        self.page, found = self.sight.read(self.environment, messages, completion.text)
        self.page = replace(self.page, error=before.error)
        self.taken += 1
        after, kind, goal = replace(self.page, error=""), StepKind.READ, self.coordinator.goal
        if self.coordinator.kind == StepKind.ACT:
            self.coordinator.look(self.page)
            self._since = self._since if self.coordinator.goal == goal else len(self.history)
        confidence = self.sight.confidence(None, self.page)
        goals = self.coordinator.goals
        return Step(messages, completion, after, took_ms, before, made_by, kind, goal, found, confidence, goals)

    def _reading_ms(self) -> int:
        """How long the page was read, where the next step says so."""
        return self.sight.took_ms if self.sight is not None and self.sight.is_waiting else 0

    def _act(self, answer: str) -> Finding | None:
        """Carry the act out; one that says that the goal is reached is decided on here, and not carried out."""
        before, coordinator, is_known = self.page, self.coordinator, answer in self.done_for_goal
        self.history.append(answer)
        if coordinator.is_claim(answer.strip()):
            found = coordinator.claim(before, is_repeated=is_known)
            self.page = replace(before, error=UNSEEN if found == Finding.NOT_REACHED else "")
            return found
        after = self.environment.act(answer)
        self.page = after if self.sight is None else self.sight.look(self.environment, after)
        self._turn = role_of_next_step(self.role, before, self.page, is_known)
        return coordinator.act(self.page, is_repeated=is_known and changed_nothing(before, self.page))

    def _follow(self, kind: StepKind, answer: str) -> Finding | None:
        """Take a plan or the answer of a check over."""
        if kind == StepKind.PLAN:
            found = self.coordinator.plan(answer, self.page)
            self._since = self._since if found == Finding.UNREADABLE else len(self.history)
            return found
        found = self.coordinator.check(answer, self.page)
        denied = REFUSED if found == Finding.NOT_REACHED else UNSEEN if self.coordinator.recovers else ""
        self.page = replace(self.page, error=denied)
        return found

    def _pass_turn(self) -> None:
        """Let the role make the next step that plans, checks or recovers."""
        if self.coordinator.kind == StepKind.PLAN:
            self._turn = PLANS.get(self.role, self.role)
        elif self.coordinator.kind == StepKind.CHECK or self.coordinator.recovers:
            self._turn = RECOVERS.get(self.role, self.role)


Actor = Callable[[Episode, Sequence[Message]], Completion]
"""From the episode and the rendered messages to an answer."""


def play(
    environment: Environment,
    page: Page,
    actor: Actor,
    max_steps: int,
    role: str = "action",
    preface: Preface = MappingProxyType({}),
    bounds: PlanBounds | None = None,
    sight: Sight | None = None,
    inputs: Mapping[str, str] = NO_MEDIA,
) -> Iterator[Step]:
    """Play from the page on until the task is done or the steps are used up."""
    episode = Episode(environment, page, max_steps, role, preface, bounds, sight, inputs)
    while not episode.is_over:
        messages = episode.ask()
        yield episode.take(messages, actor(episode, messages))


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

    def act(episode: Episode, messages: Sequence[Message]) -> Completion:
        request = Request(messages, adapter, max_tokens, temperature, seed + len(episode.history), media=media)
        return complete(model, request)

    return act


def follow_script(decide: Script) -> Actor:
    """An actor that follows a scripted policy, such as a demonstration.

    Where the episode plans, the whole task is its one goal, and a check finds it reached.
    """

    def act(episode: Episode, messages: Sequence[Message]) -> Completion:
        if episode.kind == StepKind.PLAN:
            return _say(plan_of_one(episode.page.task))
        if episode.kind == StepKind.CHECK:
            return _say("yes")
        return _say("DONE" if episode.coordinator.are_all_reached else decide(episode.page, episode.history))

    return act


def follow_planned_script(script: PlannedScript) -> Actor:
    """An actor that makes the script's plan and follows it goal by goal; its checks find each goal reached."""

    def act(episode: Episode, messages: Sequence[Message]) -> Completion:
        if episode.kind == StepKind.PLAN:
            return _say(script.plan(episode.page))
        if episode.kind == StepKind.CHECK:
            return _say("yes")
        if episode.coordinator.are_all_reached:
            return _say("DONE")
        return _say(script.act(episode.page, episode.done_for_goal, episode.coordinator.now))

    return act


def repeat_answers(answers: Sequence[str], then: Actor, first: int = 1) -> Actor:
    """An actor that gives the answers in order from step ``first`` on, and then lets another actor continue."""

    def act(episode: Episode, messages: Sequence[Message]) -> Completion:
        number = episode.taken - first + 1
        return then(episode, messages) if number >= len(answers) else _say(answers[number])

    return act


def _say(text: str) -> Completion:
    return Completion(text, None, None, 0)
