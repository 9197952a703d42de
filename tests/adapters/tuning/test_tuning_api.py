"""The fine-tuning API as the launcher asks it: answers of any shape are read or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tuning_server import File, TuningServer

from grokputer.adapters.serving.remote import RemoteModel
from grokputer.adapters.tuning.api import Refused, Silent, TuningApi


def api_at(url: str) -> TuningApi:
    return TuningApi(RemoteModel(url, "", retries=0, timeout_s=5))


@pytest.fixture
def server() -> Iterator[TuningServer]:
    with TuningServer() as server:
        yield server


def test_a_file_and_a_job_are_found_again_by_their_names(server: TuningServer) -> None:
    api = api_at(server.url)
    assert api.find_file("a.jsonl") is None
    file = api.upload("a.jsonl", b'{"messages":[]}\n')
    assert api.find_file("a.jsonl", 16) == file
    assert api.find_file("a.jsonl", 15) is None, "a file of another size is another one"
    assert api.find_job("a-1", file, ()) is None
    job = api.create("tiny-base", file, "a-1", "a", 2, 7)
    found = api.find_job("a-1", file, ())
    assert found is not None and (found.id, found.name, found.file) == (job.id, "a-1", file)
    [created] = server.jobs.values()
    assert created.asked["method"]["supervised"]["hyperparameters"] == {"n_epochs": 2} and created.asked["seed"] == 7


def test_without_metadata_a_job_is_found_by_its_file_unless_it_is_another_attempts(server: TuningServer) -> None:
    server.keeps_metadata = False
    api = api_at(server.url)
    file = api.upload("a.jsonl", b"{}")
    first = api.create("tiny-base", file, "a-1", "a", None, 0)
    found = api.find_job("a-2", file, ())
    assert found is not None and found.id == first.id
    assert api.find_job("a-2", file, (first.id,)) is None
    assert api.find_job("a-2", "file-9", ()) is None


def test_cancelling_what_is_over_or_gone_has_no_effect(server: TuningServer) -> None:
    api = api_at(server.url)
    job = api.create("tiny-base", api.upload("a.jsonl", b"{}"), "a-1", "a", None, 0)
    server.refusals["POST /fine_tuning/jobs/ftjob-1/cancel"] = [(400, {"code": "job_not_cancellable"})] * 2
    with pytest.raises(Refused, match=r"did not cancel the job: HTTP 400 \(job_not_cancellable\)"):
        api.cancel(job.id)
    server.jobs[job.id].looks = 9
    api.cancel(job.id)
    assert api.look("ftjob-9") is None and not api.delete_file("file-9")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": 3}', b'{"id": null}', b'{"id": "a b"}', b"{}"])
def test_a_reply_of_another_shape_is_one_line(server: TuningServer, body: bytes) -> None:
    server.replies["POST /fine_tuning/jobs"] = body
    server.files["file-1"] = File("file-1", "a.jsonl", b"{}")
    with pytest.raises(Silent) as caught:
        api_at(server.url).create("tiny", "file-1", "a-1", "a", None, 0)
    assert "\n" not in str(caught.value) and "did not create the job: its reply " in str(caught.value)


def test_figures_that_are_none_are_not_told(server: TuningServer) -> None:
    odd: dict[str, Any] = {
        "id": "j",
        "status": None,
        "trained_tokens": "many",
        "error": "no",
        "metadata": [],
        "hyperparameters": {"n_epochs": "auto"},
    }
    server.replies["POST /fine_tuning/jobs"] = json.dumps(odd).encode()
    server.files["file-1"] = File("file-1", "a.jsonl", b"{}")
    job = api_at(server.url).create("tiny", "file-1", "a-1", "a", None, 0)
    assert (job.status, job.tokens, job.epochs, job.problem, job.name, job.lasted_s) == ("", 0, 0, "", "", None)


def test_no_connection_is_silence() -> None:
    with pytest.raises(Silent, match=r"did not list its files: no connection"):
        api_at("http://127.0.0.1:9/v1").find_file("a.jsonl")
