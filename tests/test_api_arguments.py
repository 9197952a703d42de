"""Every argument of the Python API is checked: a wrong one is one line that names it, and nothing is recorded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

import grokputer
from grokputer import ProgramRun, ProgramStep
from grokputer.api.arguments import checked

LONGEST_LINE = 300
HALF = "\ud800"
"""Half of a character: text that is not valid Unicode."""

RUN = ("run", [5, None, "", "zz", "00", "f" * 32, UUID(int=1), HALF])
ACTOR = ("actor", [5, "", "  ", "demo", b"ada", HALF])
ADAPTER = ("adapter", [5, None, "", "lora-v9", HALF])
REASON = ("reason", [5, None, "", " ", HALF])
TIMES = (datetime(2025, 1, 1), datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))
"""Without a time zone, before the log begins, and in the future."""
STEP = ("step", [0, -1, "1", 1.0, True, 99])

FILES: list[Any] = [5, None, "a.png", b"GIF8", [5], [b"%PDF"], ["nowhere.png"]]
"""Wrong values of pictures and sounds."""

WRONG: dict[str, dict[str, list[Any]]] = {
    "run": {
        "task": [5, None, "", " ", HALF], "environment": [5, "", "nowhere", HALF], "actor": ACTOR[1],
            "seed": [-1, 2**31, "1", 1.5, True],
            "role": [5, "", "cook"], "session": [5, ""], "adapter": [5, "", "lora-v9"],
            "as_of": [0, 10**9, 10**5000, "1", True, *TIMES],
            "images": FILES, "sounds": FILES,
            "url": [5, "", "nowhere", "ftp://example.org/", HALF], "allow": [5, "", [""], ["a b"], [5], HALF],
    },
    "record": dict([("run", [5, None, "a run", {}]), ACTOR]),
    "batch": dict([ACTOR]),
    "rate": dict(
        [
            RUN, ("stars", [0, 6, "x", "", 4.0, None, True]), ("issues", ["slow", 5, None, [5]]), ("comment", [5, b"x", HALF]),
            STEP, ("fault", [5, "", "cook"]), ACTOR,
        ]
    ),
    "rate_session": dict(
        [("session", [5, "", " ", None, HALF, "other"]), ("stars", [0, 6, "x", "", 4.0, None, True]), ACTOR]
    ),
    "correct": dict(
        [
            RUN, ("answer", [5, None, "", " ", HALF]), ("actions", ["DONE", 5, [5], [""]]), STEP, ACTOR,
            ("tool_calls", ["f", 5, [5], [{"name": "f"}], None, {}]),
        ]
    ),
    "judge": dict([RUN, ACTOR]),
    "withdraw": dict([RUN, ("reason", [5, None, HALF]), ACTOR]),
    "train": dict([("role", [5, "", "cook"]), REASON, ACTOR]),
    "set": dict([("key", [5, "", "no.such"]), ("value", [object(), [], "many"]), ("reason", [5, None, HALF]), ACTOR]),
    "unset": dict([("key", [5, "", "no.such"]), ("reason", [5, None, HALF]), ACTOR]),
    "forget": dict([RUN, ("person", [5, "", " ", HALF]), REASON, ("retrain", [1, "yes", None]), ACTOR]),
    "state_at": {"moment": [0, -1, 10**9, "1", None, True, *TIMES]},
    "runs": {
        "limit": [0, -1, "20", 2.0, None, True], "role": [5, "", "cook"], "failed": [1, "no", None], "unrated": [1, None],
    },
    "failures": {
        "last": [0, -1, "20", 2.0, None, True], "role": [5, "", "cook"], "task": [5, "", HALF], "adapter": [5, "", HALF],
        "with_advice": [1, "no", None],
    },
    "why": {"name": [5, None, "", "nothing", UUID(int=1), HALF]},
    "events": {
        "first": [0, -1, "1", None, True], "last": [-1, "9", True],
        "topics": ["TaskRated", ["TaskRatd"], [5], [""], 5, None],
    },
    "text": {"key": [5, None, "", "no key", UUID(int=1), HALF]},
    "rollouts.promote": dict([ADAPTER, REASON, ACTOR]),
    "rollouts.roll_back": dict([ADAPTER, REASON, ("to", [5, ""]), ACTOR]),
    "rollouts.roll_forward": dict([ADAPTER, REASON, ACTOR]),
    "rollouts.abort": dict([ADAPTER, REASON, ACTOR]),
    "rollouts.pause": dict([ADAPTER, REASON, ACTOR]),
    "rollouts.resume": dict([ADAPTER, REASON, ACTOR]),
    "rollouts.approve": dict([ADAPTER, REASON, ACTOR]),
    "rollouts.set_share": dict([ADAPTER, ("percent", [0, 100, "15", 15.0, None, True]), REASON, ACTOR]),
}  # fmt: skip
"""Wrong values of each argument."""

GOOD: dict[str, dict[str, Any]] = {
    "run": {"task": "Where?"},
    "record": {"run": None},
    "rate": {"run": None, "stars": 2},
    "rate_session": {"session": "other", "stars": 2},
    "correct": {"run": None, "answer": "On Monday."},
    "judge": {"run": None},
    "withdraw": {"run": None},
    "train": {"reason": "tried"},
    "set": {"key": "rating.window", "value": 30},
    "unset": {"key": "rating.window"},
    "forget": {"reason": "asked for", "person": "bob"},
    "rollouts.roll_back": {"adapter": "lora-v1", "reason": "tried"},
    "rollouts.set_share": {"adapter": "lora-v1", "reason": "tried", "percent": 15},
    **{
        f"rollouts.{name}": {"adapter": "lora-v1", "reason": "tried"}
        for name in ("promote", "roll_forward", "abort", "pause", "resume", "approve")
    },
}
"""The other arguments; a run of None is the recorded one."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grokputer.OpenLog]:
    with grokputer.open(tmp_path_factory.mktemp("log") / "events.db", create=True, actor="shop") as opened:
        opened.record(program_run(id="first"))
        opened.rate(opened.runs()[0].run, 2)
        yield opened


def program_run(**fields: Any) -> ProgramRun:
    return ProgramRun("support", "order 7", [ProgramStep("Where is it?", "On its way.")], adapter=None, **fields)


def methods() -> dict[str, Callable[..., Any]]:
    """The public methods by their names."""
    found = {name: member for name, member in vars(grokputer.OpenLog).items() if inspect.isfunction(member)}
    found |= {f"rollouts.{name}": it for name, it in vars(grokputer.Rollouts).items() if inspect.isfunction(it)}
    return {name: it for name, it in found.items() if not name.rpartition(".")[2].startswith("_")}


def test_wrong_values_are_tried_for_every_argument_of_every_method() -> None:
    taken = {name: [*inspect.signature(it).parameters][1:] for name, it in methods().items()}
    assert {name: set(arguments) for name, arguments in taken.items() if arguments} == {
        name: set(arguments) for name, arguments in WRONG.items()
    }


CASES = [(method, name, value) for method, names in WRONG.items() for name, values in names.items() for value in values]


@pytest.mark.parametrize(
    ("method", "name", "value"), CASES, ids=[f"{method}-{name}-{at}" for at, (method, name, _) in enumerate(CASES)]
)
def test_a_wrong_argument_is_one_line_and_nothing_is_recorded(
    log: grokputer.OpenLog, method: str, name: str, value: Any
) -> None:
    place: Any = log
    for part in method.split("."):
        place = getattr(place, part)
    given = dict(GOOD.get(method, {}))
    if "run" in given:
        given["run"] = program_run() if method == "record" else log.runs()[-1].run
    if (method, name) == ("forget", "run"):
        del given["person"]
    if (method, name) == ("correct", "actions"):
        del given["answer"]
    before = log.position
    with pytest.raises(grokputer.GrokputerError) as refused:
        place(**{**given, name: value})
    line = str(refused.value)
    assert line and "\n" not in line and len(line) < LONGEST_LINE and line.isprintable()
    assert "lora-v1" not in line, "another argument was refused"
    assert log.position == before


def test_a_path_or_a_clock_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [
        {"path": 5}, {"path": None}, {"path": "a\0b"}, {"path": ""}, {"create": 1}, {"clock": 5}, {"actor": 5}, {"actor": " "},
    ]  # fmt: skip
    for given in wrong:
        with pytest.raises(grokputer.GrokputerError):
            grokputer.open(**{"path": tmp_path / "events.db", "create": True, **given})
    assert not list(tmp_path.iterdir())


def test_the_error_names_the_method_the_argument_the_value_and_what_is_allowed(log: grokputer.OpenLog) -> None:
    with pytest.raises(grokputer.BadArgument) as refused:
        log.runs(0)
    assert str(refused.value) == "runs: limit cannot be 0; it takes a whole number of 1 or more"
    with pytest.raises(grokputer.BadArgument) as refused:
        log.events(topics="TaskRated")  # a text is a sequence of letters, so no type checker sees it
    assert str(refused.value) == "events: topics cannot be 'TaskRated'; it takes a list, each item a text"
    with pytest.raises(grokputer.NotFound, match="there are for instance TaskRated"):
        log.events(topics=["TaskRatd"])
    with pytest.raises(grokputer.BadArgument, match="a datetime with a time zone"):
        log.state_at(datetime(2025, 1, 1))


def test_a_run_is_named_by_its_id_as_uuid_or_as_text(log: grokputer.OpenLog) -> None:
    run = log.runs()[-1].run
    assert isinstance(run, UUID)
    assert log.why(run).title == log.why(run.hex).title == log.why(str(run)).title
    assert log.rate(run, 3).run == log.rate(run.hex[:8], 3).run == run


def test_too_few_arguments_are_the_error_of_python_itself(log: grokputer.OpenLog) -> None:
    with pytest.raises(TypeError, match="reason"):
        log.train("action")  # type: ignore[call-arg]


def test_a_value_that_cannot_be_written_is_refused_by_its_type() -> None:
    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError

    @checked
    def take(number: int) -> int:
        return number

    with pytest.raises(grokputer.BadArgument, match="take: number cannot be this Silent; it takes a whole number"):
        take(Silent())  # type: ignore[arg-type]
    assert take(number=uuid4().int) > 0
