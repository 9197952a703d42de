"""Parts of other packages: a package that lies on the path offers an environment, a model and a registry."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import call, document, output, refused

from grokputer.adapters.data.dataset import TOPICS
from grokputer.adapters.data.training_runs import collect_runs
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import BadPlugin, EnvironmentUnavailable
from grokputer.domain.events import Capability, TaskStarted
from grokputer.domain.page.messages import Completion, Request
from grokputer.domain.settings.recipe import Recipe
from grokputer.domain.settings.settings import Policy
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.lessons.gather import find_uncorrected
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.environments import environment_names, open_environment
from grokputer.runners.wiring.models import open_model
from grokputer.runners.wiring.plugins import list_plugins
from grokputer.runners.wiring.registries import open_registry
from grokputer.runners.wiring.services import Services

MODULE = '''
from grokputer.domain.events import Capability
from grokputer.domain.page.messages import Completion, Page
from grokputer.domain.ports import Environment, Model
from grokputer.adapters.registry.local import WeightStore


class Desk(Environment):
    """A lamp that is switched on by its button."""

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS})

    def tasks(self):
        return ("fan", "lamp")

    def reset(self, task, seed):
        self.page = Page(f"Switch on the {task}.", (f"button:{task} {seed}[1]", "button:door[2]"))
        return self.page

    def act(self, action):
        lines = self.page.lines
        done = action in ("CLICK" + lines[0], "CLICK" + lines[1])
        return Page(self.page.task, lines, done, 1.0 if action == "CLICK" + lines[0] else -1.0)

    def demonstrate(self, task):
        return lambda page, history: "CLICK" + page.lines[0]

    def beside(self, seat):
        return Desk()


class Quiz(Environment):
    """A question in words."""

    capabilities = frozenset({Capability.QUESTION})

    def reset(self, task, seed):
        self.task = task
        return Page(task, (), is_question=True)

    def act(self, action):
        return Page(self.task, (), True, 1.0, "", True)

    def beside(self, seat):
        return Quiz()


class Web(Desk):
    """Pages without a verdict: an episode ends where the agent says so."""

    capabilities = frozenset()

    def tasks(self):
        return ()

    def act(self, action):
        return Page(self.page.task, self.page.lines, action == "DONE", float(action == "DONE"))

    def beside(self, seat):
        return Web()


class Parrot(Model):
    """Says the last line that it is shown."""

    def __init__(self, policy):
        self.says = policy.model.base

    def complete(self, messages, *, adapter=None, max_tokens=64, temperature=0.0, seed=0):
        return Completion(self.says, 3, 2, 1)


class Half:
    """An environment that cannot act."""

    capabilities = frozenset({"verifies"})

    def reset(self, task, seed):
        raise NotImplementedError


class Dreamer(Desk):
    capabilities = frozenset({"dreams"})


def open_shelf(policy, folder):
    return WeightStore(folder)


def fail():
    raise OSError("no display\\nat all")
'''
POINTS = """
[grokputer.environments]
desk = tiny_desk:Desk
quiz = tiny_desk:Quiz
site = tiny_desk:Web
half = tiny_desk:Half
dreamer = tiny_desk:Dreamer
failing = tiny_desk:fail
gone = tiny_desk:Gone
missing = no_such_module:Desk
miniwob = tiny_desk:Desk

[grokputer.models]
parrot = tiny_desk:Parrot

[grokputer.registries]
shelf = tiny_desk:open_shelf
"""


def install(folder: Path, name: str, points: str) -> None:
    """The metadata of an installed package, as an installer leaves it."""
    metadata = folder / f"{name.replace('-', '_')}-1.5.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text(points)


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path with the package ``tiny-desk``."""
    folder = tmp_path / "site"
    install(folder, "tiny-desk", POINTS)
    (folder / "tiny_desk.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("tiny_desk", None)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A fresh log whose model is the package's parrot, which always clicks the door."""
    path = tmp_path / "events.db"
    output("init", db=path)
    output("settings", "set", "model.backend", "parrot", db=path)
    output("settings", "set", "model.base", "CLICKbutton:door[2]", db=path)
    return path


def started(db: Path, run: str) -> TaskStarted:
    found = next(
        it.event for it in Ledger.open(db).read(1, None, ("TaskStarted",)) if it.event.originator_id.hex == run
    )
    assert isinstance(found, TaskStarted)
    return found


def run(db: Path, *words: str) -> str:
    """Run the task and return the run's id."""
    found: str = document("run", *words, "--no-feedback", "--seed", "7", db=db)["run"]
    return found


def test_a_task_runs_in_the_environment_of_another_package_on_its_model(db: Path) -> None:
    shown = document("run", "lamp", "--env", "desk", "--seed", "7", "--no-feedback", db=db)
    assert (shown["outcome"], shown["reason"], shown["answer"], shown["task"]) == ("failed", "wrong", None, "lamp")
    event = started(db, shown["run"])
    assert (event.environment, event.base) == ("desk", "CLICKbutton:door[2]@parrot")
    assert event.capabilities == (Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS)


def test_the_reviewer_corrects_by_the_demonstration_of_that_environment(db: Path) -> None:
    shown = document("run", "lamp", "--env", "desk", "--seed", "7", "--reviewer", db=db)
    assert (shown["stars"], shown["corrected_by"]) == (1, "reviewer")
    [failed] = Ledger.open(db).read(1, None, ("TaskCorrected",))
    assert vars(failed.event)["is_verified"]


def test_a_task_that_the_environment_has_not_is_refused_before_anything_is_recorded(db: Path) -> None:
    before = Ledger.open(db).position
    assert "there is no task 'oven'; there are fan, lamp" in refused("run", "oven", "--env", "desk", db=db)
    assert Ledger.open(db).position == before


def test_a_question_of_a_plugin_environment_is_content_and_is_corrected_by_an_answer(db: Path) -> None:
    id = run(db, "Who wrote it?", "--env", "quiz")
    event = started(db, id)
    assert event.task.startswith("sha256:")
    assert document("runs", db=db)[0]["task"] == "Who wrote it?"
    assert "is a question" in refused("correct", id, "--action", "DONE", db=db)
    output("correct", id, "--answer", "Ada", db=db)
    ledger = Ledger.open(db)
    [past] = collect_runs((it.event for it in ledger.read(1, None, TOPICS)), "action", ledger.get_content)
    assert (past.family, past.instance) == ("quiz", f"quiz#{event.task}")
    assert past.correction is not None and not past.correction.is_verified


def test_where_no_environment_judges_a_person_does_and_a_correction_is_unverified(db: Path) -> None:
    id = run(db, "anything", "--env", "site")
    judged = call("run", "anything", "--env", "site", "--reviewer", db=db)
    assert (judged.exit_code, "which does not judge" in judged.stderr) == (1, True)
    output("rate", id, 1, db=db)
    assert [it.id for it in find_uncorrected(Ledger.open(db), "action", 4, Recipe(held_out_share=0))] == [id]
    output("correct", id, "--action", "DONE", db=db)
    ledger = Ledger.open(db)
    [corrected] = ledger.get(TaskRun, started(db, id).originator_id).corrections
    assert not corrected.is_verified
    assert find_uncorrected(ledger, "action", 4, Recipe(held_out_share=0)) == []


def test_adapters_are_not_compared_where_nothing_is_judged(db: Path) -> None:
    said = refused("ab", "base", "base", "--env", "site", "--tasks", "anything", db=db)
    assert "site cannot repeat and judge the same page" in said


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("gone", "cannot be loaded: AttributeError"),
        ("failing", "cannot be created: OSError: no display at all"),
        ("half", "lacks tasks, check_task, suggest_tasks, act, demonstrate, beside, close"),
        ("dreamer", "declares dreams; capabilities are verifies, question, seeds, demonstrations"),
    ],
)
def test_a_broken_environment_is_one_line_that_names_its_package_and_stops_no_other(
    db: Path, name: str, why: str
) -> None:
    said = refused("run", "lamp", "--env", name, db=db)
    assert f"environment {name!r} of package tiny-desk 1.5" in said and why in said
    assert open_environment("desk").tasks() == ("fan", "lamp")


def test_nothing_of_a_package_is_loaded_until_its_part_is_asked_for(db: Path) -> None:
    sys.modules.pop("tiny_desk", None)
    assert {"chat", "desk", "miniwob", "quiz"} <= set(environment_names())
    open_environment("chat")
    output("status", db=db)
    assert "tiny_desk" not in sys.modules


def test_no_package_takes_the_place_of_an_environment_of_the_program() -> None:
    assert Capability.QUESTION in open_environment("chat").capabilities
    assert type(open_environment("miniwob")).__module__ == "grokputer.runners.environments.miniwob.environment"


def test_a_name_that_two_packages_offer_is_refused_with_both(site: Path) -> None:
    install(site, "other-desk", "[grokputer.environments]\ndesk = tiny_desk:Quiz\n")
    with pytest.raises(EnvironmentUnavailable, match=r"is offered by .*tiny-desk 1\.5"):
        open_environment("desk")


def test_an_unknown_name_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(
        EnvironmentUnavailable, match=r"'moon' is not an environment; there are browse, chat, desk, desktop, dreamer"
    ):
        open_environment("moon")


def test_the_doctor_lists_each_part_and_what_is_wrong_with_it(db: Path) -> None:
    checks = {it["name"]: it for it in json.loads(call("doctor", "--json", db=db).stdout)}
    assert (checks["environment desk"]["result"], checks["environment desk"]["found"]) == (
        "ok",
        "of package tiny-desk 1.5",
    )
    assert checks["environment missing"]["result"] == "warn"
    assert "no_such_module" in checks["environment missing"]["found"]
    assert "the program has its own" in checks["environment miniwob"]["found"]
    assert checks["model parrot"]["result"] == checks["registry shelf"]["result"] == "ok"


def test_an_unknown_backend_is_not_set(db: Path) -> None:
    said = refused("settings", "set", "model.backend", "lcoal", db=db)
    assert "model.backend cannot be 'lcoal'; there are local, openai, parrot, vllm here" in said


def test_a_backend_whose_package_is_gone_is_one_line(db: Path, site: Path) -> None:
    (site / "tiny_desk-1.5.dist-info" / "entry_points.txt").write_text("")
    with pytest.raises(
        BadPlugin, match=r"model\.backend is 'parrot'; there are local, openai, vllm; set it to one of them"
    ):
        open_model(process_new_events(ledger := Ledger.open(db)).policy, ledger.get_content)


def test_a_model_without_adapters_answers_many_requests_and_scores_nothing(db: Path) -> None:
    with Services(ledger := Ledger.open(db), process_new_events(ledger)) as parts:
        answers = parts.model.complete_many([Request([{"role": "user", "content": "?"}])] * 3)
        assert [it.text for it in answers if isinstance(it, Completion)] == ["CLICKbutton:door[2]"] * 3
        assert (parts.model.scoring, parts.model.adapters, parts.model.is_on_gpu) == (None, None, False)


def test_weights_lie_in_the_registry_of_another_package(db: Path, tmp_path: Path) -> None:
    output("settings", "set", "weights.registry", "shelf", db=db)
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"tensors")
    with Services(ledger := Ledger.open(db), process_new_events(ledger)) as parts:
        ref = parts.store.put(folder)
        assert parts.store.has(ref.hash) and parts.store.hashes() == [ref.hash]
        assert parts.store.path(ref.hash).parent.name == "fetched"
    with pytest.raises(BadPlugin, match=r"weights\.registry is 'attic'; there are local, shelf"):
        open_registry(Policy({"weights.registry": "attic"}), db)


def test_metadata_without_a_name_is_listed_as_an_unknown_package(site: Path) -> None:
    metadata = site / "odd-1.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text("[grokputer.models]\nodd = odd:Odd\n")
    [odd] = [it for it in list_plugins("model") if it.name == "odd"]
    with pytest.raises(BadPlugin, match=r"model 'odd' of package unknown cannot be loaded"):
        odd.load()
