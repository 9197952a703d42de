"""Every error that a user can cause or meet, each one line: what, the value, what is allowed, what to do next.

The message states facts that are true for every caller. What to do next is a ``Hint``: the command line puts it in words
of its own, and a Python program compares it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Hint(StrEnum):
    """What the user can do next. The names are stable: programs may compare them."""

    GIVE_ACTOR = "give_actor"
    GIVE_REASON = "give_reason"
    NAME_RUN_OR_PERSON = "name_run_or_person"
    SEE_RUNS = "see_runs"
    SEE_FAILURES = "see_failures"
    SEE_ADAPTERS = "see_adapters"
    SEE_ROLLOUTS = "see_rollouts"
    SEE_STATUS = "see_status"
    SEE_SETTINGS = "see_settings"
    END_RUN = "end_run"
    PROMOTE = "promote"
    RATE = "rate"
    ROLL_BACK_LIVE = "roll_back_live"
    ROLL_FORWARD = "roll_forward"
    TRAIN_LATER = "train_later"
    GIVE_ANSWER = "give_answer"
    GIVE_ACTIONS = "give_actions"
    MAKE_LOG = "make_log"
    NAME_LOG = "name_log"
    NAME_OTHER_LOG = "name_other_log"
    RESTORE_LOG = "restore_log"
    VERIFY_LOG = "verify_log"
    WRITE_ONCE = "write_once"
    EXPORT_LOG = "export_log"
    NAME_NEW_LOG = "name_new_log"
    FORCE_RESTORE = "force_restore"
    GIVE_BACKUP = "give_backup"
    GIVE_HEAD = "give_head"
    MAKE_PROOF = "make_proof"
    GIVE_TASKS = "give_tasks"
    SEE_NAMES = "see_names"
    SEE_LOG = "see_log"
    SEE_STATUS_OF = "see_status_of"
    RUN_BENCH = "run_bench"
    RESUME_BENCH = "resume_bench"
    START_BENCH = "start_bench"
    RUN_WORKER = "run_worker"
    USE_LOCAL_MODEL = "use_local_model"
    APPROVE = "approve"
    APPROVE_TRAINING = "approve_training"
    PREPARE_TRAINING = "prepare_training"
    CARRY_TRAINING = "carry_training"
    SEE_TRAININGS = "see_trainings"
    DECIDE_ROLLOUT = "decide_rollout"
    REPLAY = "replay"
    RUN_TASK = "run_task"


LONGEST = 2000
"""Characters of a message; chosen: values of strangers, which messages repeat, may have any length."""


def _one_line(message: str) -> str:
    """The message without what could break a line or drive a terminal, whatever value it repeats."""
    if len(message) > LONGEST:
        message = f"{message[:LONGEST]}…"
    if message.isprintable():
        return message
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in message)


class GrokputerError(Exception):
    """The base class of all errors that concern the user; the CLI prints the message and exits 1."""

    def __init__(self, message: str = "", *, hint: Hint | None = None, about: str = "") -> None:
        super().__init__(_one_line(message))
        self.hint = hint
        """What to do next; None where the message says everything."""
        self.about = about
        """The name of the thing that the hint refers to, such as an adapter."""


class MissingExtra(GrokputerError):
    """A library that this function needs is not installed; the message names the extra that installs it."""


class UnknownTask(GrokputerError):
    """A task name that no environment has."""


class EnvironmentUnavailable(GrokputerError):
    """The environment cannot be started or was lost, for instance because no browser is installed."""


class ModelError(GrokputerError):
    """A model could not be loaded or did not answer."""


class UnknownAdapter(GrokputerError):
    """An adapter name that is not registered, or not loaded where it is needed."""


class DamagedWeights(GrokputerError):
    """Stored weights whose hash differs from the recorded one."""


class RegistryError(GrokputerError):
    """The registry that adapters are published in cannot be reached, or does not allow it; it may later."""


class RegistryTaken(RegistryError):
    """The registry has other content under this name or hash; that is never replaced."""


class NotServed(GrokputerError):
    """A model that serves no adapters, or does not show enough to prove one. It says nothing about the adapter."""


class BadPlugin(GrokputerError):
    """A plug-in that is not installed or cannot be loaded; the message names the plug-in and the package."""


class BadRating(GrokputerError):
    """A rating that is not a whole number from 1 to 5, or whose words are longer or more than is kept."""


class BadArgument(GrokputerError, ValueError):
    """An argument of a function that is of the wrong type or outside its range; the message names it and what is allowed."""


class BadTools(GrokputerError, ValueError):
    """A function's definition, a call or a message that does not have OpenAI's form; the message names it and what is
    allowed."""


class NotPossible(GrokputerError):
    """A command that the present state does not allow, such as rating a run that has not ended."""


class BadStep(NotPossible):
    """A step that the run does not have, or that goes with fewer stars."""


class NotEnded(NotPossible):
    """A run, or all runs of a session, that have not ended, so that they cannot be rated yet; ``runs`` are their ids in hex."""

    def __init__(self, message: str, runs: Sequence[str]) -> None:
        super().__init__(message, hint=Hint.END_RUN)
        self.runs = tuple(runs)


class NotFound(GrokputerError):
    """A name or id that the log does not have."""


class InvalidRecipe(GrokputerError, ValueError):
    """A training setting outside its allowed range, or one that does not exist."""


class InvalidTerms(GrokputerError, ValueError):
    """A term of a sequential rule outside its allowed range, or one that does not exist."""


class InvalidExamples(GrokputerError, ValueError):
    """A dataset file that cannot be read as training examples."""


class InvalidSession(GrokputerError, ValueError):
    """A session log of another program that cannot be read as a run."""


class TrainingInterrupted(GrokputerError):
    """A training whose process was ended from outside; it can continue from its last checkpoint."""


class TrainingError(GrokputerError):
    """A training that produced no adapter, with the reason."""


class ChannelNotReady(GrokputerError):
    """An alert channel whose settings or secrets are missing or wrong, so that it cannot send."""


class BadText(GrokputerError, ValueError):
    """A text that is not valid Unicode, so that no file can hold it."""


class BadPicture(GrokputerError, ValueError):
    """A picture that cannot be read: no PNG, damaged or too large; the message says what is allowed."""


class BadAudio(GrokputerError, ValueError):
    """A recording that cannot be heard: no audio, damaged, too long or too large; the message says what is allowed."""


class LogError(GrokputerError):
    """The log cannot be opened, read or written."""
