"""The worker publishes adapters; a registry that is down stops nothing, raises one alert, and gets them later."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import call, document, lines, output, refused

from grokputer.adapters.publishing.hub import HubRegistry
from grokputer.projections.state.state import State
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.publishing import Publisher
from grokputer.runners.store.log import adapters_folder
from grokputer.runners.wiring.registries import open_published
from story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """lora-v1 is registered, and a person's words led to it."""
    story = Story(tmp_path / "events.db")
    story.run()
    story.rate(story.run(succeeds=False), 1)
    story.prove(story.train(story.ask()))
    story.set("registry.url", str(tmp_path / "registry"))
    return story


class Days:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def state(story: Story) -> State:
    return process_new_events(story.ledger)


def weights(story: Story, name: str = "lora-v1") -> Path:
    digest: str = state(story).registry.adapters[name].weights.removeprefix("sha256:")
    return adapters_folder(story.path) / "weights" / digest


def alerts(story: Story) -> list[tuple[str, str]]:
    state(story)  # what follows from new events is in the log then
    return [(it["kind"], it["adapter"]) for it in document("alerts", "--open", db=story.path)]


def test_the_worker_pushes_what_the_registry_lacks_and_the_log_knows_it(story: Story, tmp_path: Path) -> None:
    said: list[str] = []
    publisher = Publisher(story.ledger, said.append)
    assert "not pushed to the registry yet: lora-v1" in output("adapters", db=story.path)
    assert [publisher.step(state(story)) for _ in range(2)] == [True, False]
    assert said == [f"lora-v1: pushed to {tmp_path / 'registry'}"]
    [pushed] = lines(story.path, "--event", "AdapterPushed")
    assert pushed["data"]["registry"] == str(tmp_path / "registry")
    assert [it["is_pushed"] for it in document("adapters", db=story.path)] == [True]
    assert "not pushed" not in output("adapters", db=story.path)


def test_another_registry_gets_every_adapter_again(story: Story, tmp_path: Path) -> None:
    publisher = Publisher(story.ledger, lambda line: None)
    publisher.step(state(story))
    story.set("registry.url", str(tmp_path / "second"))
    assert publisher.step(state(story))
    assert (tmp_path / "second/adapters/lora-v1.json").is_file()


def test_a_registry_that_is_down_is_one_line_then_one_alert_and_is_tried_again(story: Story, tmp_path: Path) -> None:
    (tmp_path / "registry").write_text("a file in its place")
    said, time = list[str](), Days()
    publisher = Publisher(story.ledger, said.append, time)
    for time.now in (0, 9, 10, 49, 50, 209, 210, 849):
        assert not publisher.step(state(story))
    [line] = said
    assert line.startswith("lora-v1 is not pushed yet, and is tried again: the registry ")
    assert alerts(story) == [("push failed", "lora-v1")]
    (tmp_path / "registry").unlink()
    time.now = 850
    assert publisher.step(state(story))
    assert alerts(story) == []
    [resolved] = lines(story.path, "--event", "AlertResolved")
    assert "lora-v1 is in the registry" in resolved["data"]["message"]


def test_a_short_outage_raises_no_alert(story: Story, tmp_path: Path) -> None:
    (tmp_path / "registry").write_text("")
    time = Days()
    publisher = Publisher(story.ledger, lambda line: None, time)
    for time.now in (0, 10):
        publisher.step(state(story))
    (tmp_path / "registry").unlink()
    time.now = 50
    assert publisher.step(state(story))
    assert lines(story.path, "--event", "AlertRaised") == []


def test_a_registry_that_is_set_anew_ends_the_alert_of_the_old_one(story: Story, tmp_path: Path) -> None:
    (tmp_path / "registry").write_text("")
    time = Days()
    publisher = Publisher(story.ledger, lambda line: None, time)
    for time.now in (0, 10, 50):
        publisher.step(state(story))
    assert alerts(story) == [("push failed", "lora-v1")]
    story.set("registry.url", str(tmp_path / "other"))
    assert alerts(story) == []


def test_the_state_of_pushes_is_the_same_when_the_log_is_folded_again(story: Story) -> None:
    Publisher(story.ledger, lambda line: None).step(state(story))
    assert state(story).registry.adapters["lora-v1"].pushed_to
    compared = [
        line.split()[-1] for line in output("replay", db=story.path).splitlines() if line.startswith("comparisons")
    ]
    assert compared == ["equal"]  # the command exits with 1 where any view differs


def test_a_machine_without_the_weights_pulls_them(story: Story) -> None:
    output("adapters", "push", db=story.path)
    want = {file.name: file.read_bytes() for file in weights(story).iterdir()}
    shutil.rmtree(weights(story))
    assert "lora-v1: verified" in output("adapters", "pull", db=story.path)
    assert {file.name: file.read_bytes() for file in weights(story).iterdir()} == want
    assert "nothing to pull" in output("adapters", "pull", db=story.path)


def test_weights_that_were_changed_in_the_registry_are_refused(story: Story, tmp_path: Path) -> None:
    output("adapters", "push", "lora-v1", db=story.path)
    digest = weights(story).name
    shutil.rmtree(weights(story))
    file = next(it for it in (tmp_path / "registry/weights" / digest).iterdir() if it.name != "SHA256SUMS")
    file.write_bytes(b"poison")
    assert "differs from what the log has" in refused("adapters", "pull", "lora-v1", db=story.path)
    assert not weights(story).exists()


def test_push_and_pull_say_what_they_need(story: Story) -> None:
    assert "there already" in output("adapters", "push", "lora-v1", "lora-v1", db=story.path)
    assert "adapter lora-v9 is not registered" in refused("adapters", "push", "lora-v9", db=story.path)
    story.set("registry.url", None)
    assert "there is no registry; set registry.url" in refused("adapters", "push", db=story.path)


def test_the_variable_overrides_the_setting_in_one_process(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORA_REGISTRY_URL", str(tmp_path / "of the process"))
    output("adapters", "push", db=story.path)
    assert (tmp_path / "of the process/adapters/lora-v1.json").is_file()
    assert not (tmp_path / "registry").exists()
    monkeypatch.setenv("LORA_REGISTRY_URL", "s3://me:secret@adapters")
    line = refused("adapters", "push", db=story.path)
    assert line.startswith("grokputer: LORA_REGISTRY_URL must be the whole path of a folder") and "secret" not in line


@pytest.mark.parametrize(
    "value",
    [
        "s3://key:secret@adapters/x",
        "s3://adapters/x?sig=abc",
        "https://example.org",
        "relative",
        "hf://me",
        "s3://",
        "s3://x/y",
    ],
)
def test_a_setting_with_a_secret_or_of_another_form_is_refused(story: Story, value: str) -> None:
    line = refused("settings", "set", "registry.url", value, db=story.path)
    assert "registry.url must be" in line and "a bucket's or container's name has 3 to 63 small letters" in line


def test_a_registry_in_a_file_is_refused_and_a_missing_folder_is_told(story: Story, tmp_path: Path) -> None:
    file, missing = tmp_path / "file", tmp_path / "missing"
    file.touch()
    for value in (file, f"file://{file}", file / "below"):
        assert f"{file} is a file; give a folder" in refused("settings", "set", "registry.url", value, db=story.path)
    said = call("settings", "set", "registry.url", missing, db=story.path)
    assert said.exit_code == 0 and f"{missing} is not there; the first push makes it" in said.stderr


def test_each_kind_of_url_opens_its_registry(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "grokputer")
    for url in ("/srv/adapters", "s3://adapters/x", "gs://adapters/x", "az://adapters/x", "hf://me/adapters"):
        monkeypatch.setenv("LORA_REGISTRY_URL", url)
        opened = open_published(state(story).policy)
        assert opened is not None and opened.place == url
        assert isinstance(opened, HubRegistry) == url.startswith("hf")


def test_the_card_tells_the_figures_of_why_and_quotes_nobody(story: Story, tmp_path: Path) -> None:
    output("adapters", "push", db=story.path)
    card = (tmp_path / "registry/adapters/lora-v1.md").read_text()
    assert card.startswith("---\nlibrary_name: peft\n")
    for told in (
        "a person asked for its training",
        "dataset of ",
        "training completed: 8 steps",
        "gate against the base",
    ):
        assert told in card
    assert f"`{state(story).registry.adapters['lora-v1'].weights}`" in card
    for words in ("ada", "many new corrections", "click-button"):
        assert words not in card.replace("adapter", "")


def test_an_export_is_the_adapter_with_its_card_and_never_replaces_a_folder(story: Story, tmp_path: Path) -> None:
    output("adapters", "export", "lora-v1", str(tmp_path / "out"), db=story.path)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        *(file.name for file in weights(story).iterdir()), "README.md",
    }  # fmt: skip
    line = refused("adapters", "export", "lora-v1", str(tmp_path / "out"), db=story.path)
    assert "exists; name a new folder" in line
    assert not list(tmp_path.glob(".out*"))


def test_an_adapter_of_another_base_is_not_merged(story: Story, tmp_path: Path) -> None:
    story.set("model.base", "some/other")
    line = refused("adapters", "export", "lora-v1", str(tmp_path / "out"), "--merged", db=story.path)
    assert "which is not the base in the settings" in line
    assert not (tmp_path / "out").exists()
