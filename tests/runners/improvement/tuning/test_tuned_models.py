"""Tuned models as adapters: what they are called, what they refuse, and what remains of a dataset at the endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import document, output, refused
from gated import History
from gateways import serving
from tuning_server import COURSE, TuningServer
from tunings import KEY, request, topics, train, tuned_history

from grokputer.domain.errors import NotServed
from grokputer.runners.archive.erasure import Target
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases import erasures


def test_a_tuned_model_passes_gate_and_canary_and_becomes_live(server: TuningServer, tmp_path: Path) -> None:
    fast = {"canary.min_runs": 2, "canary.weight_percent": 50, "canary.bake_s": 0, "canary.interval_s": 0}
    server.course = COURSE
    history = tuned_history(tmp_path / "events.db", server, 30, **fast)
    done = train(history)
    [name] = server.tuned
    adapter = history.parts.state.registry.adapters["lora-v1"]
    assert vars(done.over)["model"] == adapter.model == name
    assert [vars(done.over)[it] for it in ("billed_tokens", "steps", "final_loss")] == [1200, 30, 0.25]
    assert adapter.weights.startswith("tuned:") and adapter.endpoint == server.url
    assert "lora-v1: answers by its name, which is less than a proof" in history.said
    judged = history.judgement()
    assert (judged["verdict"], judged["reason"]) == ("pass", "better")
    assert judged["numbers"]["failed"]["runs"]["parent"] == 0 < judged["numbers"]["failed"]["runs"]["adapter"]
    assert adapter.status == "canary"
    history.feedback("miniwob", range(1000, 1016))
    history.work()
    assert history.parts.state.traffic("action").stable == "lora-v1"
    assert replay(history.ledger).is_equal
    [answered] = history.ledger.read(1, None, ("AdapterAnswered",))
    then = load_state(history.ledger, answered.position).registry.adapters["lora-v1"]
    assert (then.status, then.model) == ("answered", name)
    history.set(**{"training.init_from": "parent"})
    request(history)
    Worker(history.ledger, history.parts, Reporter())._train(process_new_events(history.ledger))
    assert [job.asked["model"] for job in server.jobs.values()] == ["tiny-base", name]
    assert topics(history)[:8] == [
        "TrainingRequested", "DatasetBuilt", "TrainingStarted", "DatasetSent", "TuningSubmitted", "TrainingProgressed",
        "TrainingProgressed", "TrainingCompleted",
    ]  # fmt: skip
    history.parts.close()


def test_a_name_that_stands_for_the_base_is_rejected(server: TuningServer, history: History) -> None:
    server.answer = lambda asked: "DONE"
    train(history)
    adapter = history.parts.state.registry.adapters["lora-v1"]
    assert (adapter.status, adapter.reason) == ("rejected", "by its name, it answers as its base does")


def test_a_model_that_is_not_listed_yet_waits_and_one_that_is_dropped_is_an_error(
    server: TuningServer, history: History
) -> None:
    listed, server.on = server.tuned, {}
    request(history)
    worker = Worker(history.ledger, history.parts, Reporter(history.said.append))
    worker.step()
    file = dict(listed)
    listed.clear()
    worker.step()
    assert history.said[-1].startswith("lora-v1 waits: lora-v1 is the model ft:tiny-base:grokputer-")
    assert history.said[-1].endswith("does not list it any more; roll it back, or train again")
    listed.update(file)
    history.work()
    assert history.parts.state.registry.adapters["lora-v1"].status == "canary"
    listed.clear()
    history.decide("promote")
    [run] = history.run("miniwob", range(3000, 3001))
    detail = history.ledger.say(vars(run.ended)["detail"])
    assert vars(run.ended)["reason"] == "error" and "adapter lora-v1 is not served by" in detail
    history.set(**{"model.endpoint": "http://127.0.0.1:9/v1"})
    with pytest.raises(NotServed, match=r"set model\.backend to openai and model\.endpoint to that"):
        history.parts.prepare("lora-v1")


def test_a_gateway_asks_for_the_model_that_the_adapter_is(server: TuningServer, history: History) -> None:
    train(history)
    history.parts.close()
    history.ledger.close()
    asking = {"model": "lora-v1", "messages": [{"role": "user", "content": "what next?"}]}
    with serving(history.ledger.path) as gateway:
        status, headers, answered = gateway.ask("/chat/completions", asking)
        [name] = server.tuned
        assert (status, headers["x-grokputer-adapter"]) == (200, "lora-v1")
        assert answered["choices"][0]["message"]["content"] == "DONE"
        assert server.asked[-1].body["model"] == name
        server.tuned.clear()
        status, _, _ = gateway.ask("/chat/completions", asking)
        assert status == 502
    [newest, *_] = document("runs", db=history.ledger.path)
    assert (newest["adapter"], newest["reason"]) == ("lora-v1", "error")


def test_what_needs_weights_refuses_and_the_commands_say_what_the_adapter_is(
    server: TuningServer, history: History, tmp_path: Path
) -> None:
    train(history)
    db, [model] = history.ledger.path, server.tuned
    kept = f"lora-v1 is the model {model} at {server.url}, which keeps its weights, so it cannot be"
    history.set(**{"registry.url": str(tmp_path / "registry")})
    assert f"{kept} pushed" in refused("adapters", "push", "lora-v1", db=db)
    assert f"{kept} pulled" in refused("adapters", "pull", "lora-v1", db=db)
    assert f"{kept} exported" in refused("adapters", "export", "lora-v1", tmp_path / "out", db=db)
    assert "not pushed" not in output("adapters", db=db) and "MISSING" not in output("adapters", db=db)
    history.work()
    assert "AdapterPushFailed" not in topics(history)
    [row] = document("adapters", "--json", db=db)
    assert (row["model"], row["endpoint"], row["weights_missing"]) == (model, server.url, False)
    why = output("why", "lora-v1", db=db)
    assert f"registered as lora-v1: the model {model} at {server.url}" in why
    assert "answers by its name, which is less than a proof: of " in why
    assert f"the model {model} at {server.url}, which keeps its weights" in output("doctor", db=db)
    assert f"dataset leaves for {server.url}, as the file grokputer-" in why
    assert output("backup", tmp_path / "backup", db=db)
    assert document("replay", "--decisions", "--json", db=db)["is_equal"]
    process_new_events(history.ledger)


def test_forgetting_deletes_the_file_there_and_names_the_model_that_keeps_what_it_learnt(
    server: TuningServer, history: History
) -> None:
    train(history)
    db, [model] = history.ledger.path, server.tuned
    before = output("forget", "--person", "ada", "--reason", "left", "--dry-run", db=db)
    assert "file file-1 at" in before and "would be deleted there" in before and list(server.files) == ["file-1"]
    said = output("forget", "--person", "ada", "--reason", "left", "--yes", db=db)
    assert server.files == {}
    assert f"file file-1 at {server.url}, of training " in said and ": deleted there" in said
    assert f"model {model} at {server.url}" in said
    assert "it cannot be reached from here, and keeps what it learnt; delete it there by hand" in said
    assert topics(history)[-1] == "SentDatasetDeleted"
    assert replay(history.ledger).is_equal


def test_a_file_that_the_endpoint_does_not_delete_is_named_for_people(server: TuningServer, history: History) -> None:
    train(history)
    server.refusals["DELETE /files"] = [(403, {})]
    done = erasures.forget(history.ledger, Target(person="ada"), reason="left", actor="bob")
    [file, model] = done.elsewhere
    assert (file.kind, file.id, file.is_deleted, model.kind) == ("file", "file-1", False, "model")
    assert "did not delete the file: it refused the API key" in file.problem and KEY not in file.problem
    assert done.words.keys, "the words are erased here all the same"


def test_a_training_over_the_bound_waits_and_the_next_is_estimated_by_its_tokens(
    server: TuningServer, history: History
) -> None:
    history.set(**{"training.max_cost": 1.0, "cost.tuning_price": 25.0})
    training = request(history)
    history.work()
    assert "its cost is unknown, as the log has no training of tiny-base at an endpoint" in history.said[-1]
    assert server.files == {}
    output("train", "approve", db=history.ledger.path)
    history.work()
    known = process_new_events(history.ledger).registry.trainings[training.hex]
    assert known.cost is not None and (known.cost.money, known.cost.energy_kwh) == (0.03, 0.0)
    assert "about 1200 tokens, 0.03 EUR" in output("train", "action", "--dry-run", db=history.ledger.path)
