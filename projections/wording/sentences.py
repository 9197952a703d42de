"""Events in words, one line each, with their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...domain.aggregates.base import ACTOR
from ...domain.durations import say_time
from ...domain.events import (
    AccessKeyIssued,
    AccessKeyRevoked,
    AdapterAnswered,
    AdapterEvaluated,
    AdapterPromoted,
    AdapterPushed,
    AdapterPushFailed,
    AdapterRegistered,
    AdapterRejected,
    AdapterRolledBack,
    AdapterServed,
    AdapterUnserved,
    AlertDelivered,
    AlertDeliveryFailed,
    AlertRaised,
    AlertResolved,
    AttemptInterrupted,
    CanaryAssessed,
    CanaryWeightSet,
    ComparisonConcluded,
    ComparisonStarted,
    CorrectionWithdrawn,
    CycleClosed,
    CycleOpened,
    DatasetBuilt,
    DatasetSent,
    Event,
    FeedbackGiven,
    HeldOutJudged,
    PicturesKept,
    PolicyChanged,
    RatingThresholdBreached,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    SentDatasetDeleted,
    SessionImported,
    TaskCorrected,
    TaskGraded,
    TaskRated,
    TrainingApproved,
    TrainingCompleted,
    TrainingDeclined,
    TrainingFailed,
    TrainingHeld,
    TrainingPending,
    TrainingProgressed,
    TrainingRequested,
    TrainingStarted,
    TuningSubmitted,
    WeightsFound,
    WeightsMissed,
)
from ...domain.events.base import KEY
from ...domain.rules.roles import GOOD_STARS
from ...domain.settings.recipe import current_figures
from ...domain.vocabulary import Place, RolloutCause, Rule, Unit


def describe(event: Event) -> str:
    """The event in one line; its topic where it has no sentence of its own."""
    match event:
        case TaskRated():
            issues = f", {', '.join(event.issues)}" if event.issues else ""
            run = event.originator_id.hex[:8]
            return f"{event.stars} stars for run {run} by {event.actor} ({event.source}){issues}{describe_fault(event)}"
        case TaskGraded():
            run = event.originator_id.hex[:8]
            return f"{count(event.stars, 'star')} for run {run} by the judge model {event.judge}, criteria {event.criteria}"
        case PicturesKept():
            return f"{count(len(event.pictures), 'picture')} in the next prompt of run {event.originator_id.hex[:8]}"
        case TaskCorrected():
            verified = "verified" if event.is_verified else "not verified"
            what = f"{'' if event.steps else 'what was read in '}run {event.originator_id.hex[:8]}"
            return f"{what} corrected by {event.actor} ({event.source}, {verified})"
        case CorrectionWithdrawn():
            return (
                f"correction ({event.source}) of run {event.originator_id.hex[:8]} withdrawn by {event.actor}; no dataset "
                "uses it from now on"
            )
        case SessionImported():
            return f"session of another program, {describe_session(event)}"
        case PolicyChanged(is_unset=True):
            sentence = f"{event.key} unset by {event.actor}, from {say_value(event.old)} back to {say_value(event.new)}"
            return f"{sentence}: {event.reason or 'no reason given'}"
        case PolicyChanged():
            sentence = f"{event.key} set from {say_value(event.old)} to {say_value(event.new)} by {event.actor}"
            return f"{sentence}: {event.reason or 'no reason given'}"
        case AlertRaised():
            return f"alert ({event.severity}), {event.kind}: {event.message}"
        case AlertResolved():
            return f"alert resolved: {event.message}"
        case AlertDelivered():
            return f"delivered by {event.channel} to {event.to} at attempt {event.attempt}: {event.answer}"
        case AlertDeliveryFailed():
            then = "given up" if event.again_in_s is None else f"again in {say_time(event.again_in_s)}"
            return f"not delivered by {event.channel} to {event.to} at attempt {event.attempt}: {event.reason}; {then}"
    return _describe_rollout(event)


def _describe_rollout(event: Event) -> str:
    """The events of a cycle, from falling ratings to the end of a rollout."""
    match event:
        case RatingThresholdBreached() if event.rule == Rule.SEQUENTIAL:
            return f"breach: ratings of {event.adapter or 'the base'} in role {event.role} have fallen: {event.message}"
        case RatingThresholdBreached():
            return (
                f"breach: mean {event.mean:.2f} of the last {event.count} ratings of {event.adapter or 'the base'} "
                f"in role {event.role} is under {event.threshold:g} (window {event.window})"
            )
        case CycleOpened():
            return f"training asked for by {event.actor}: {event.reason}"
        case CycleClosed():
            return f"cycle closed: {event.outcome} ({event.detail})"
        case RolloutStarted():
            judged = f", judged by the rule {event.rule}" if event.rule else ""
            of = "sessions" if event.unit == Unit.SESSION else "runs"
            return f"rollout started: {event.weight_percent} % of the {of}, the rest to {event.stable or 'the base'}{judged}"
        case CanaryWeightSet():
            why = f"{_decider(event)}: {event.reason}" if event.reason else ""
            return f"share set from {event.old_percent} to {event.weight_percent} %{why}"
        case CanaryAssessed():
            sentence = f"assessed: {event.verdict} ({event.reason}): {event.message}"
            return sentence if event.numbers.get("rule") == Rule.SEQUENTIAL else f"{sentence}; {_arms(event.numbers)}"
        case RolloutPaused():
            return f"rollout paused{_decider(event)}: {event.reason}"
        case RolloutResumed():
            return f"rollout resumed{_decider(event)}: {event.reason}"
        case AdapterPromoted(cause=RolloutCause.FORWARD):
            return f"rolled forward{_decider(event)}, in place of {event.replaced or 'the base'}: {event.reason}"
        case AdapterPromoted():
            return f"promoted{_decider(event)}, in place of {event.replaced or 'the base'}: {event.reason}"
        case AdapterRolledBack(cause=RolloutCause.COMPARISON):
            return f"rolled back: {event.reason}"
        case AdapterRolledBack():
            return f"rolled back{_decider(event)}, to {event.stable or 'the base'}: {event.reason}"
    return _describe_making(event)


def _describe_making(event: Event) -> str:
    """The events of a training."""
    match event:
        case TrainingRequested():
            continues = current_figures(event.recipe).get("init_from") == "parent" and event.parent is not None
            begins = f"continuing from {event.parent}" if continues else "fresh from the base"
            live = f"adapter {event.parent or 'none'} live"
            return f"training requested on {event.base}, {live}, {begins}: {_recipe(event.recipe)}"
        case DatasetBuilt():
            sources = ", ".join(f"{source} {number}" for source, number in sorted(event.by_source.items()))
            examples, runs = count(event.examples, "example"), count(event.runs, "run")
            return f"dataset of {examples} ({sources}) from {runs}, {event.dataset[:19]}"
        case TrainingStarted():
            again = "" if event.attempt == 1 or event.launcher == Place.OPENAI else ", from the last checkpoint"
            chosen = f", for {'; '.join(event.choices)}" if event.choices and event.attempt == 1 else ""
            place = "" if event.launcher in ("", Place.PROCESS) else f" by {event.launcher}, as {event.job}"
            return f"training started{place}, attempt {event.attempt}{again}{chosen}"
        case AttemptInterrupted():
            return f"attempt {event.attempt} was interrupted: {event.reason}"
        case TrainingPending():
            return f"{event.job} does not begin: {event.reason}"
        case DatasetSent():
            sent = f"{count(event.examples, 'example')}, {event.size} bytes"
            return f"dataset leaves for {event.endpoint}, as the file {event.file}: {sent}"
        case TuningSubmitted():
            return f"job {event.tuning} at {event.endpoint} tunes {event.model} on the file {event.file}"
        case SentDatasetDeleted():
            return f"dataset deleted at {event.endpoint}: the file {event.file}"
        case TrainingHeld():
            return f"waits for approval: {event.reason}"
        case TrainingApproved():
            return f"approved: {event.reason}"
        case TrainingProgressed():
            return f"step {event.step} of {event.steps}, loss {event.loss:.4f}"
        case TrainingCompleted() if event.model:
            billed = f", {event.billed_tokens} tokens billed" if event.billed_tokens else ""
            loss = f", {event.steps} steps, loss {event.final_loss:.4f}" if event.steps else ""
            return f"training completed at {event.endpoint}: the model {event.model}, {event.duration_s:.1f} s{billed}{loss}"
        case TrainingCompleted():
            precision = f" in {event.precision}" if event.precision else ""
            return (
                f"training completed: {event.steps} steps, {event.tokens} tokens, {event.duration_s:.1f} s, peak memory "
                f"{event.peak_memory_bytes / 1e6:.0f} MB on {event.device}{precision}, loss {event.final_loss:.4f}"
                f"{describe_left_out(event)}"
            )
        case TrainingDeclined():
            return f"training declined: {event.reason}"
        case TrainingFailed():
            return f"training failed: {event.reason}"
    return _describe_adapter(event)


def _describe_adapter(event: Event) -> str:
    """The events of an adapter from its name to its comparisons."""
    match event:
        case AdapterRegistered() if event.model:
            return (
                f"registered as {event.adapter}: the model {event.model} at {event.endpoint}, which keeps its weights"
            )
        case AdapterAnswered():
            learnt = (
                f"; of {count(event.lessons, 'lesson')} it answers {event.learnt} as trained, the base {event.known}"
            )
            return (
                f"answers by its name, which is less than a proof: of {event.prompts} prompts it answers {event.differ} "
                f"otherwise than the base, whose own answers differ on {event.unsteady}{learnt if event.lessons else ''}"
            )
        case AdapterRegistered():
            return f"registered as {event.adapter}, weights {event.weights[:19]}"
        case AdapterEvaluated():
            return (
                f"proven on {event.prompts} prompts: it changes the logits by {event.effect:.3g} (rms) and is within "
                f"{event.error:.3g} of its trainer's; rounding alone makes {event.rounding:.3g}"
            )
        case AdapterServed():
            return (
                f"served by {event.endpoint}, proven there: it changes the logits by {event.effect:.3g} (rms) and is within "
                f"{event.error:.3g} of its trainer's; rounding alone makes {event.rounding:.3g}"
            )
        case AdapterUnserved():
            served = f" while it is {event.serves}" if event.serves else ""
            return f"not served by {event.endpoint}{served}: {event.reason}{_proof(event.numbers)}"
        case HeldOutJudged():
            return f"gate against {event.parent or 'the base'}: {event.verdict} ({event.reason}): {event.message}"
        case WeightsMissed():
            return f"weights missing while it is {event.serves}: {event.weights[:19]}"
        case WeightsFound():
            return f"weights found again: {event.weights[:19]}"
        case AdapterPushed():
            return f"pushed to {event.registry}: {event.weights[:19]}"
        case AdapterPushFailed():
            return f"not pushed to {event.registry} yet: {event.reason}"
        case AdapterRejected():
            return f"rejected: {event.reason}{_proof(event.numbers)}"
        case ComparisonStarted():
            pages = f"{count(event.episodes, 'page')} of {', '.join(event.tasks)}"
            arms = f"{event.b or 'the base'} beside {event.a or 'the base'}"
            return f"A/B by {event.actor}: {arms} on {pages}; bars {_bars(event)}"
        case ComparisonConcluded():
            arms = f"{event.b or 'the base'} in place of {event.a or 'the base'}"
            return f"A/B, {arms}: {event.verdict} ({event.reason}): {event.message}"
    return _describe_program(event)


def _describe_program(event: Event) -> str:
    """What concerns other programs: their keys and their feedback."""
    match event:
        case AccessKeyIssued():
            limits = "".join(f", at most {most:g} {name} a day" for name, most in event.limits.items())
            return f"access key issued to {event.holder} by {event.actor} for {', '.join(event.scopes)}{limits}"
        case AccessKeyRevoked():
            return f"access key revoked by {event.actor}: {event.reason or 'no reason given'}"
        case FeedbackGiven():
            what = f"run {short_id(event.run)}" if event.run else f"session {event.session}"
            stars = "" if event.stars is None else f", {count(event.stars, 'star')}"
            correction = "" if event.correction is None else ", with a correction"
            return f"feedback on {what} by {event.actor}{stars}{correction}"
    return event.TOPIC


def describe_session(event: SessionImported) -> str:
    """The times of an imported session, and its outcome by its own account."""
    times = f"from {event.started or 'an unknown time'} to {event.ended or 'an unknown time'}"
    if event.started is None and event.ended is None:
        times = "its times are not known"
    sentence = {
        True: "it says that it succeeded",
        False: "it says that it failed",
        None: "it does not say how it ended",
    }
    return f"{times}; {sentence[event.success]}"


def describe_left_out(event: TrainingCompleted) -> str:
    """The number of examples left out of the training, with the reasons; empty where none was left out."""
    reasons = ", ".join(f"{number} {reason}" for reason, number in event.reasons.items())
    return (
        f"; {count(event.left_out, 'example')} left out{f' ({reasons})' if reasons else ''}" if event.left_out else ""
    )


def describe_fault(event: TaskRated) -> str:
    """The role that a low rating is attributed to; empty for a run of a single role."""
    step = "" if event.step is None else f", step {event.step}"
    if event.fault is None:
        return ", attributed to no role" if event.stars < GOOD_STARS else ""
    return f", {event.fault} at fault{step}" if event.others or step else ""


def _proof(numbers: dict[str, Any]) -> str:
    """The figures of a failed proof. Those of the gate are in its reason."""
    if "effect" not in numbers:
        return ""
    effect, error, rounding = (f"{numbers[name]:.3g}" for name in ("effect", "error", "rounding"))
    return f": it changes the logits by {effect} (rms) and is {error} from its trainer's, where rounding alone makes {rounding}"


def _bars(event: ComparisonStarted) -> str:
    bars = event.bars
    return f"+{bars['stars']:g} stars or +{bars['points']:g} points, under +{bars['latency_ms']:g} ms"


def say_value(value: Any) -> str:
    """A setting's value as people type it; ``unset`` for None. A text beside the log is shown as a short hash."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and KEY.fullmatch(value):
        return f"a text ({value[:19]})"
    return "unset" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)


def say_names(adapters: Iterable[str]) -> str:
    """The names of the registered adapters, as a clause."""
    names = list(adapters)
    if not names:
        return "none is registered yet"
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(names)}"


def count(number: int, noun: str) -> str:
    """The number with its noun: ``1 run``, ``2 runs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _decider(event: Event) -> str:
    return "" if event.actor == ACTOR else f" by {event.actor}"


def _recipe(recipe: dict[str, Any]) -> str:
    """The most important figures. The event has the whole recipe."""
    figures = (
        ("r", "r"),
        ("alpha", "alpha"),
        ("target", "target"),
        ("quantization", "base"),
        ("epochs", "epochs"),
        ("batch", "batch"),
        ("learning_rate", "lr"),
        ("replay_share", "replay"),
    )
    parts = []
    for key, name in figures:
        if key in recipe:
            value = "bf16" if (key, recipe[key]) == ("quantization", "none") else recipe[key]
            parts.append(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(parts)


def _arms(numbers: dict[str, Any]) -> str:
    """Both arms' counts and means: ``canary 12 runs, success .92, rating 4.5 / stable 60 runs, ...``."""
    arms = []
    for arm in ("canary", "stable"):
        figures = numbers.get(arm) or {}
        shown = [f"{figures.get('runs', 0)} runs"]
        if figures.get("unknown"):
            shown.append(f"{figures['unknown']} of unknown success")
        for name in ("success", "rating", "health"):
            if figures.get(name) is not None:
                shown.append(f"{name} {figures[name]:.3g}")
        arms.append(f"{arm} {', '.join(shown)}")
    return " / ".join(arms)


def short_id(id: str) -> str:
    """The first eight characters of the id."""
    return id[:8]


def short_text(text: str, length: int = 60) -> str:
    """The text on one line of at most ``length`` characters, cut after a whole word where one ends in its latter half."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    end = line.rfind(" ", length // 2, length)
    return line[: end if end > 0 else length - 1] + "…"
