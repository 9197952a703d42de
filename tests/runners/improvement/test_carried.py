"""Trainings that people carry to another machine and back: everything is checked, and nothing comes home twice."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from command_line import call, output, refused
from tiny_base import click_examples, quiet_libraries

from grokputer.adapters.data.examples import write_examples
from grokputer.adapters.launching.parcel import MANIFEST, REQUEST, RESULT, BadParcel, _write, run_request, write_result
from grokputer.adapters.registry.local import hash_directory
from grokputer.adapters.training.job import TrainingResult
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.errors import NotFound, NotPossible, TrainingError, TrainingInterrupted
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.trainings import base_at_request
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases.trainings import export_training, import_training
from grokputer.runners.wiring.services import Services
from story import Story

HEADER = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
"""A file of safetensors without a tensor."""


@pytest.fixture
def carried(tmp_path: Path) -> Story:
    """A log whose training waits to be carried."""
    story = Story(tmp_path / "events.db")
    story.set("training.retries", 0)
    story.set("training.launcher", "carry")
    story.fall()
    said: list[str] = []
    step(story, said)
    assert [line for line in said if "waits to be carried" in line]
    return story


def step(story: Story, said: list[str]) -> bool:
    """One step of a worker."""
    with Services(story.ledger, process_new_events(story.ledger)) as services:
        return Worker(story.ledger, services, Reporter(said.append))._train(services.state)


def finished(story: Story, folder: Path) -> TrainingResult:
    """A result of the training, as another machine makes it."""
    job = story.ledger.get(TrainingJob, story.training())
    assert job.dataset is not None
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(HEADER)
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    return TrainingResult(
        folder / "adapter", hash_directory(folder / "adapter"), job.dataset.dataset,
        base_at_request(story.ledger, job).fingerprint(), 9.0, 10**9, 7, 0, 400, 8, 0.25, "Tesla T4", {},
    )  # fmt: skip


def name_of(story: Story) -> str:
    started = story.ledger.get(TrainingJob, story.training()).started
    assert started is not None
    return started.job


def test_a_training_that_is_carried_waits_for_people_and_a_worker_leaves_it_alone(carried: Story) -> None:
    said: list[str] = []
    assert not step(carried, said)
    assert (said, load_state(carried.ledger).registry.trainings[carried.training().hex].status) == ([], "carried")
    assert "which people carry: 'grokputer train export'" in output("status", db=carried.path)


def test_a_training_that_is_requested_and_not_prepared_says_what_to_run_first(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.set("training.launcher", "carry")
    story.ask("forty new corrections")
    name = story.training().hex[:8]
    line = refused("train", "export", tmp_path / "request.zip", db=story.path)
    assert line == f"grokputer: training {name} is requested, and not prepared yet; run 'grokputer work --once' first"
    assert line == refused("train", "export", tmp_path / "request.zip", "--training", name, db=story.path)
    assert "forty new corrections" in " ".join(output("train", "list", db=story.path).split())
    story.set("training.launcher", "process")
    assert "set training.launcher to carry" in refused("train", "export", tmp_path / "request.zip", db=story.path)
    output("train", "cancel", db=story.path)
    assert "no training waits to be carried" in refused("train", "export", tmp_path / "request.zip", db=story.path)
    assert "is over: TrainingFailed" in refused(
        "train", "export", tmp_path / "request.zip", "--training", name, db=story.path
    )


def test_a_request_is_the_same_file_each_time_and_holds_what_the_log_recorded(carried: Story, tmp_path: Path) -> None:
    export_training(carried.ledger, tmp_path / "one.zip")
    export_training(carried.ledger, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == [MANIFEST, "job.json", "dataset.jsonl"]
        about = json.loads(archive.read(MANIFEST))["about"]
    job = carried.ledger.get(TrainingJob, carried.training())
    assert job.dataset is not None
    assert (about["name"], about["dataset"]) == (name_of(carried), job.dataset.dataset)


def test_weights_come_home_once_however_often_they_are_imported(carried: Story, tmp_path: Path) -> None:
    write_result(tmp_path / "result.zip", finished(carried, tmp_path / "there"), name_of(carried))
    first, second = (import_training(carried.ledger, tmp_path / "result.zip") for _ in range(2))
    assert (first.is_new, second.is_new, first.weights) == (True, False, second.weights)
    state = process_new_events(carried.ledger)
    assert [adapter.weights for adapter in state.registry.adapters.values()] == [first.weights]
    with Services(carried.ledger, state) as services:
        assert services.store.path(first.weights).is_dir()
    assert "was completed, weights sha256:" in output("train", "import", tmp_path / "result.zip", db=carried.path)


def test_a_result_of_another_training_base_or_dataset_is_refused(carried: Story, tmp_path: Path) -> None:
    result, name, file = finished(carried, tmp_path / "there"), name_of(carried), tmp_path / "result.zip"
    write_result(file, result, f"grokputer-{'7' * 32}-1")
    with pytest.raises(NotFound, match="is of a training that"):
        import_training(carried.ledger, file)
    write_result(file, result, name.removesuffix("-1") + "-2")
    with pytest.raises(BadParcel, match=r"-2, not of .*-1; give the result of this training"):
        import_training(carried.ledger, file)
    write_result(file, replace(result, base_fingerprint="sha256:00"), name)
    with pytest.raises(TrainingError, match="trained on the base sha256:00"):
        import_training(carried.ledger, file)
    write_result(file, replace(result, dataset_hash="sha256:11"), name)
    with pytest.raises(TrainingError, match="trained on the dataset sha256:11"):
        import_training(carried.ledger, file)
    write_result(file, replace(result, adapter_hash="sha256:22"), name)
    with pytest.raises(BadParcel, match="are not those that were trained"):
        import_training(carried.ledger, file)
    assert carried.ledger.get(TrainingJob, carried.training()).over is None


Attack = Callable[[zipfile.ZipFile, dict[str, bytes]], None]


def add(name: str, content: bytes) -> Attack:
    return lambda archive, _: archive.writestr(name, content)


def claim_less(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    """A bomb: the directory of the archive says that the weights are small."""
    archive.getinfo("adapter/adapter_model.safetensors").file_size = 3


@pytest.mark.parametrize(
    ("changed", "attack", "said"),
    [
        ({"adapter/../../evil.py": b"x"}, None, "which such an archive does not have"),
        ({"/etc/cron.d/evil": b"x"}, None, "which such an archive does not have"),
        ({"adapter/adapter_model.bin": b"x"}, None, "which such an archive does not have"),
        ({"adapter/code.py": b"x"}, None, "which such an archive does not have"),
        ({"adapter/adapter_model.safetensors": b"\x80\x04pickle"}, None, "has no weights in safetensors"),
        ({}, add("adapter/reference.json", b"{}"), "does not have just the files of its manifest"),
        ({}, claim_less, "is larger than it says|is damaged"),
    ],
)  # fmt: skip
def test_an_archive_with_anything_else_is_refused_and_nothing_is_kept(
    carried: Story, tmp_path: Path, changed: dict[str, bytes], attack: Attack | None, said: str
) -> None:
    result = finished(carried, tmp_path / "there")
    told = {key: value for key, value in asdict(result).items() if key != "adapter"}
    files = {f"adapter/{each.name}": each.read_bytes() for each in result.adapter.iterdir()} | changed
    about = {"name": name_of(carried), "base": "sha256:00", "dataset": "sha256:00"}
    evil = tmp_path / "evil.zip"
    _write(evil, RESULT, about, {}, {"result.json": json.dumps(told).encode(), **files})
    if attack is not None:
        with zipfile.ZipFile(evil, "a") as archive:
            attack(archive, files)
            archive._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(BadParcel, match=said):
        import_training(carried.ledger, evil)
    assert not list(tmp_path.rglob("evil.py")) and not list(tmp_path.rglob("code.py"))
    assert not (carried.path.parent / "events.adapters" / "weights").exists()


def test_a_file_that_was_changed_on_the_way_or_is_no_archive_is_one_line(carried: Story, tmp_path: Path) -> None:
    file = tmp_path / "result.zip"
    write_result(file, finished(carried, tmp_path / "there"), name_of(carried))
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(tmp_path / "changed.zip", "w") as changed:
        for name in whole.namelist():
            changed.writestr(name, b"{ }" if name.endswith("config.json") else whole.read(name))
    with pytest.raises(BadParcel, match="does not have the hash of the manifest"):
        import_training(carried.ledger, tmp_path / "changed.zip")
    (tmp_path / "none.zip").write_bytes(file.read_bytes()[:100])
    refused = call("train", "import", tmp_path / "none.zip", db=carried.path)
    assert refused.exit_code == 1 and "is not a whole zip archive" in refused.output
    export_training(carried.ledger, tmp_path / "request.zip")
    with pytest.raises(BadParcel, match="is not a training result of this version"):
        import_training(carried.ledger, tmp_path / "request.zip")


def test_a_training_can_be_taken_back_and_then_its_result_comes_too_late(carried: Story, tmp_path: Path) -> None:
    write_result(tmp_path / "result.zip", finished(carried, tmp_path / "there"), name_of(carried))
    output("train", "cancel", "--reason", "the machine is gone", db=carried.path)
    with pytest.raises(NotPossible, match="is over: TrainingFailed"):
        import_training(carried.ledger, tmp_path / "result.zip")
    listed = " ".join(output("train", "list", db=carried.path).split())
    assert "failed" in listed and "the machine is gone" in listed


@pytest.fixture
def _cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of requests are cut off at once."""

    def end(*_: object, **__: object) -> None:
        raise TrainingInterrupted("cut off")

    monkeypatch.setattr("grokputer.adapters.launching.parcel.train", end)


@pytest.mark.usefixtures("_cut_off")
def test_a_request_is_checked_also_where_it_was_unpacked_before(carried: Story, tmp_path: Path) -> None:
    request, out, files = tmp_path / "request.zip", tmp_path / "result.zip", tmp_path / "files"
    export_training(carried.ledger, request)
    swapped, more = tmp_path / "swapped.zip", tmp_path / "more.zip"
    _swap_dataset(request, swapped, b"{}")
    shutil.copy(request, more)
    with zipfile.ZipFile(more, "a") as archive:
        archive.writestr("../../evil.py", b"x")
    with pytest.raises(TrainingInterrupted):
        run_request(request, out, files)
    for folder in (files, tmp_path / "fresh"):
        with pytest.raises(BadParcel, match=r"dataset\.jsonl in .* was changed"):
            run_request(swapped, out, folder)
        with pytest.raises(BadParcel, match="which such an archive does not have"):
            run_request(more, out, folder)


def test_neither_a_request_nor_a_result_replaces_a_file(carried: Story, tmp_path: Path) -> None:
    request, taken = tmp_path / "request.zip", tmp_path / "taken.zip"
    taken.write_text("precious")
    export_training(carried.ledger, request)
    for words in (("export", taken, "--db", carried.path), ("run", request, taken)):
        refused = call("train", *words)
        assert refused.exit_code == 1 and f"{taken} exists already; give another name" in refused.output
    assert taken.read_text() == "precious"


@pytest.mark.usefixtures("_cut_off")
def test_requests_of_one_name_are_not_in_each_others_way(carried: Story, tmp_path: Path) -> None:
    request, other, files = tmp_path / "request.zip", tmp_path / "other.zip", tmp_path / "files"
    export_training(carried.ledger, request)
    with zipfile.ZipFile(request) as archive:
        about = json.loads(archive.read(MANIFEST))["about"]
        job = archive.read("job.json")
    dataset = tmp_path / "dataset.jsonl"
    about["dataset"] = write_examples(dataset, click_examples(3))
    _write(other, REQUEST, about, {"dataset.jsonl": dataset}, {"job.json": job})
    for file in (request, other, request):
        with pytest.raises(TrainingInterrupted):
            run_request(file, tmp_path / "result.zip", files)
    assert len([*files.iterdir()]) == 2


@pytest.fixture
def _quiet() -> Iterator[None]:
    with quiet_libraries():
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("_quiet")
def test_a_training_goes_to_another_machine_and_its_weights_come_home(tiny_base: Path, tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    for key, value in {"model.base": str(tiny_base), "training.retries": 0, "training.launcher": "carry"}.items():
        story.set(key, value)
    story.fall()
    step(story, [])
    export_training(story.ledger, tmp_path / "request.zip")
    there = tmp_path / "there"
    there.mkdir()
    output("train", "run", tmp_path / "request.zip", there / "result.zip", "--folder", there / "files")
    done = import_training(story.ledger, there / "result.zip")
    assert done.is_new
    completed = story.ledger.get(TrainingJob, story.training()).over
    assert vars(completed)["weights"] == done.weights
    shutil.rmtree(there / "files")
    write_examples(tmp_path / "other.jsonl", click_examples(3))
    _swap_dataset(tmp_path / "request.zip", tmp_path / "swapped.zip", (tmp_path / "other.jsonl").read_bytes())
    with pytest.raises(BadParcel, match="was changed"):
        run_request(tmp_path / "swapped.zip", there / "again.zip", there / "files")


def _swap_dataset(file: Path, out: Path, content: bytes) -> None:
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(out, "w") as changed:
        for name in whole.namelist():
            changed.writestr(name, content if name == "dataset.jsonl" else whole.read(name))
