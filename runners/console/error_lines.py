"""The next step of an error or a wait, in the command line's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.errors import GrokputerError, Hint

if TYPE_CHECKING:
    from ...projections.explain.standing.waits import Wait

HINTS: dict[Hint, str] = {
    Hint.GIVE_ACTOR: "give another with --as",
    Hint.GIVE_REASON: "give one with --reason",
    Hint.NAME_RUN_OR_PERSON: "name a run, or a person with --person",
    Hint.SEE_RUNS: "see 'grokputer runs'",
    Hint.SEE_FAILURES: "see 'grokputer failures'",
    Hint.SEE_ADAPTERS: "see 'grokputer adapters'",
    Hint.SEE_ROLLOUTS: "see 'grokputer rollouts'",
    Hint.SEE_STATUS: "see 'grokputer status'",
    Hint.SEE_SETTINGS: "see 'grokputer settings'",
    Hint.END_RUN: "'grokputer work --once' ends it if its process is gone",
    Hint.PROMOTE: "give it all runs with 'grokputer rollouts promote {about}'",
    Hint.RATE: "rate it yourself with 'grokputer rate'",
    Hint.ROLL_BACK_LIVE: "take the live adapter back with 'grokputer rollouts rollback'",
    Hint.ROLL_FORWARD: "make it live with 'grokputer rollouts forward {about}'",
    Hint.TRAIN_LATER: "then run 'grokputer train {about}'",
    Hint.GIVE_ANSWER: "give the right one with --answer",
    Hint.GIVE_ACTIONS: "give each with --action",
    Hint.MAKE_LOG: "make one with 'grokputer init', or name one with --db",
    Hint.NAME_LOG: "name a log with --db",
    Hint.NAME_OTHER_LOG: "or name another with --db",
    Hint.VERIFY_LOG: "then run 'grokputer verify' to see that the log is whole",
    Hint.WRITE_ONCE: "such as 'grokputer work --once'",
    Hint.EXPORT_LOG: "give a file that 'grokputer log export' wrote",
    Hint.NAME_NEW_LOG: "name one with --db",
    Hint.FORCE_RESTORE: "--force replaces it and keeps it under another name",
    Hint.GIVE_BACKUP: "give a folder that 'grokputer backup' made",
    Hint.GIVE_HEAD: "'grokputer verify' prints one",
    Hint.MAKE_PROOF: "make one with 'grokputer prove POSITION'",
    Hint.RESTORE_LOG: "restore it from a backup, or name another with --db",
    Hint.GIVE_TASKS: "give some with --tasks",
    Hint.SEE_NAMES: "see 'grokputer adapters', 'settings', 'runs' or 'rollouts'",
    Hint.SEE_LOG: "see 'grokputer log --db {about}'",
    Hint.SEE_STATUS_OF: "see 'grokputer status --db {about}'",
    Hint.RUN_BENCH: "'grokputer bench learn' makes some",
    Hint.RESUME_BENCH: "continue it with --resume, or give another --out",
    Hint.START_BENCH: "start one without --resume",
    Hint.RUN_WORKER: "run 'grokputer work'",
    Hint.USE_LOCAL_MODEL: "'grokputer settings set model.backend local'",
    Hint.APPROVE: "'grokputer rollouts approve {about}'",
    Hint.APPROVE_TRAINING: "'grokputer train approve' or 'train cancel'",
    Hint.PREPARE_TRAINING: "run 'grokputer work --once' first",
    Hint.CARRY_TRAINING: "'grokputer train export' and 'train import'",
    Hint.SEE_TRAININGS: "see 'grokputer train list'",
    Hint.DECIDE_ROLLOUT: "'grokputer rollouts' with resume, promote or rollback",
    Hint.REPLAY: "run 'grokputer replay' to make it again",
    Hint.RUN_TASK: "run a task with 'grokputer run'",
}
"""The text of each hint; ``{about}`` is the error's ``about``."""


def describe_error(error: GrokputerError) -> str:
    """The error in one line, with what to do next."""
    if error.hint is None:
        return str(error)
    return f"{error}; {HINTS[error.hint].format(about=error.about)}"


def describe_wait(wait: Wait) -> str:
    """What a role waits for, in words that follow its name, with what to do about it."""
    if wait.hint is None:
        return wait.message
    return f"{wait.message}: {HINTS[wait.hint].format(about=wait.numbers.get('adapter', ''))}"
