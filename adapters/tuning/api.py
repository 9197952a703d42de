"""The fine-tuning API of an endpoint, in OpenAI's form: files and jobs.

An answer of any shape is read, or refused in one line. A server's own words go to no message that the log keeps: they may
quote the dataset, or the key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from ...domain.errors import TrainingError
from ..serving.reply import BadReply, read_json

if TYPE_CHECKING:
    from openai import OpenAI

JOB = "grokputer_job"
"""The key of a job's metadata that has the name of the attempt."""
PURPOSE: Final = "fine-tune"
PAGE, PAGES = 100, 50
"""Entries of one page of a list, and the most pages that are read; chosen."""
SENDING_S = 600.0
"""Time limit of an upload; chosen."""
NO_QUOTA = ("insufficient_quota", "exceeded_quota", "billing_hard_limit_reached", "billing_not_active")
"""Codes of an account that cannot pay, as OpenAI has them: waiting does not help."""
PENDING = ("validating_files", "queued", "pending", "created", "paused")
OVER = ("succeeded", "failed", "cancelled")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,59}")
"""A code, which says what is wrong and quotes nothing."""


class Refused(TrainingError):
    """The endpoint refuses what it is asked; asked again, it would do the same."""


class Silent(TrainingError):
    """The endpoint does not answer now."""


@dataclass(frozen=True)
class Tuning:
    """A job at the endpoint."""

    id: str
    status: str = ""
    """As the API says it; empty before it was looked at."""
    file: str = ""
    """The id of the dataset's file."""
    name: str = ""
    """The attempt in its metadata; empty where the endpoint keeps none."""
    model: str = ""
    """The tuned model's name; empty before there is one."""
    problem: str = ""
    """The code of its failure, with the line of the file where it names one."""
    words: str = ""
    """The endpoint's own words about that, for the terminal alone."""
    tokens: int = 0
    """Tokens trained on in all epochs; 0 where they are not told."""
    epochs: int = 0
    lasted_s: float | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it waits to run."""
        return self.status in PENDING

    @property
    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status in OVER


class Endpoint(Protocol):
    """An endpoint, as its model is asked there."""

    base_url: str
    client: OpenAI

    def explain(self, error: Exception) -> str:
        """Why it was not answered, without the endpoint's own words."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class TuningApi:
    """The API at an endpoint. Methods raise ``Refused`` and ``Silent``."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = endpoint.client.with_options(max_retries=0)  # what is not idempotent is looked for first

    @property
    def place(self) -> str:
        """The endpoint's base URL."""
        return self._endpoint.base_url

    def find_file(self, name: str, size: int | None = None) -> str | None:
        """The id of the file with this name, and of this size in bytes where both sides tell one; None where there is none."""
        listing = self._client.files.with_raw_response.list
        for row in self._rows("list its files", lambda **page: listing(purpose=PURPOSE, **page)):
            if row.get("filename") == name and size in (None, row.get("bytes", size)):
                return str(row["id"])
        return None

    def upload(self, name: str, content: bytes) -> str:
        """Send the file; its id there."""
        sent = (name, content, "application/jsonl")
        create = self._client.files.with_raw_response.create
        with self._asking("take the dataset"):
            answer = create(file=sent, purpose=PURPOSE, timeout=SENDING_S).http_response.content
            return _id(read_json(answer))

    def delete_file(self, id: str) -> bool:
        """Delete the file; False where there is none."""
        import openai

        with self._asking("delete the file"):
            try:
                answer = self._client.files.with_raw_response.delete(id).http_response.content
            except openai.NotFoundError:
                return False
            if read_json(answer).get("deleted") is not True:
                raise BadReply("does not say that the file is deleted")
        return True

    def find_job(self, name: str, file: str, others: Collection[str]) -> Tuning | None:
        """The job of the attempt: by its name or, where the endpoint keeps no metadata, one of the file that is not among the
        ``others``."""
        listing = self._client.fine_tuning.jobs.with_raw_response.list
        found = None
        for row in self._rows("list its jobs", lambda **page: listing(metadata={JOB: name}, **page)):
            job = _read_job(row)
            if job.name == name:
                return job
            if found is None and not job.name and job.file == file and job.id not in others:
                found = job
        return found

    def create(self, model: str, file: str, name: str, suffix: str, epochs: int | None, seed: int) -> Tuning:
        """Create the job. ``epochs`` None leaves them to the endpoint."""
        create = self._client.fine_tuning.jobs.with_raw_response.create
        with self._asking("create the job"):
            answer = create(
                model=model,
                training_file=file,
                suffix=suffix,
                seed=seed,
                metadata={JOB: name},
                method={
                    "type": "supervised",
                    "supervised": {"hyperparameters": {"n_epochs": "auto" if epochs is None else epochs}},
                },
                extra_headers={"Idempotency-Key": name},
            )
            return _read_job(read_json(answer.http_response.content))

    def look(self, id: str) -> Tuning | None:
        """The job; None where the endpoint knows none of this id."""
        import openai

        with self._asking("show the job"):
            try:
                answer = self._client.fine_tuning.jobs.with_raw_response.retrieve(id).http_response.content
            except openai.NotFoundError:
                return None
            return _read_job(read_json(answer))

    def cancel_attempt(self, id: str | None, file: str, name: str, others: Collection[str]) -> None:
        """Cancel an attempt's job. Where its id is not known, it is looked for: its creation may not have been answered.

        ``file``, ``name`` and ``others`` are the dataset's file, the attempt's name and the jobs of other attempts.
        """
        if id is None and (there := self.find_file(file)) is not None:
            found = self.find_job(name, there, others)
            id = None if found is None else found.id
        if id is not None:
            self.cancel(id)

    def cancel(self, id: str) -> None:
        """Cancel the job; without effect where it is over or not there."""
        try:
            with self._asking("cancel the job"):
                self._client.fine_tuning.jobs.with_raw_response.cancel(id)
        except Refused:
            found = self.look(id)
            if found is not None and not found.is_over:
                raise

    def events(self, id: str) -> list[Mapping[str, Any]]:
        """What the endpoint tells of the job lately, the oldest first."""
        with self._asking("tell of the job"):
            answer = self._client.fine_tuning.jobs.with_raw_response.list_events(id, limit=PAGE)
            rows = read_json(answer.http_response.content).get("data")
        told = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return sorted(told, key=lambda row: _number(row.get("created_at")))

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    def _rows(self, what: str, listing: Callable[..., Any]) -> Iterator[Mapping[str, Any]]:
        """The entries of a list, page after page."""
        after: dict[str, Any] = {}
        for _ in range(PAGES):
            with self._asking(what):
                page = read_json(listing(limit=PAGE, **after).http_response.content)
            entries = page.get("data")
            rows = (
                [row for row in entries if isinstance(row, dict) and "id" in row] if isinstance(entries, list) else []
            )
            yield from rows
            if not rows or page.get("has_more") is not True:
                return
            after = {"after": str(rows[-1]["id"])}

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Raise whatever goes wrong in the block as ``Refused`` or ``Silent``."""
        import openai

        try:
            yield
        except BadReply as error:
            raise Silent(f"{self.place} did not {what}: its reply {error}") from error
        except openai.APIStatusError as error:
            raise self._explain(error, what) from error
        except Exception as error:
            raise Silent(f"{self.place} did not {what}: {self._endpoint.explain(error)}") from error

    def _explain(self, error: Any, what: str) -> TrainingError:
        status, code = error.status_code, _code(error.code)
        said = f"{self.place} did not {what}: "
        if code in NO_QUOTA:
            return Refused(f"{said}the account has no quota left ({code})")
        if status in (401, 403):
            return Refused(said + self._endpoint.explain(error))
        if status in (408, 409, 425, 429) or status >= 500:
            return Silent(said + self._endpoint.explain(error))
        if status in (404, 405) and not code:
            return Refused(f"{said}HTTP {status}; it seems to offer no fine-tuning API")
        parts = ", ".join(filter(None, (code, _code(error.param))))
        return Refused(f"{said}HTTP {status}{f' ({parts})' if parts else ''}")


def _read_job(row: Mapping[str, Any]) -> Tuning:
    """The job of one object of the API. Raises ``BadReply`` for one without an id."""
    told, error = row.get("metadata"), row.get("error")
    began, ended = _number(row.get("created_at")), _number(row.get("finished_at"))
    figures = [row.get("hyperparameters")]
    method = row.get("method")
    if isinstance(method, dict) and isinstance(method.get("supervised"), dict):
        figures.append(method["supervised"].get("hyperparameters"))
    epochs = [_number(each.get("n_epochs")) for each in figures if isinstance(each, dict)]
    return Tuning(
        _id(row),
        str(row.get("status") or ""),
        str(row.get("training_file") or ""),
        str(told.get(JOB) or "") if isinstance(told, dict) else "",
        str(row.get("fine_tuned_model") or ""),
        _problem(error) if isinstance(error, dict) else "",
        " ".join(str(error.get("message") or "").split()) if isinstance(error, dict) else "",
        round(_number(row.get("trained_tokens"))),
        round(max(epochs, default=0.0)),
        ended - began if began and ended >= began else None,
    )


def _problem(error: Mapping[str, Any]) -> str:
    """The code of the failure and, where the message names one, the line of the file."""
    line = re.search(r"\b[Ll]ine (\d{1,9})\b", str(error.get("message")))
    return ", ".join(filter(None, (_code(error.get("code")), f"line {line[1]} of the file" if line else "")))


def _id(row: Mapping[str, Any]) -> str:
    id = row.get("id")
    if not isinstance(id, str) or not re.fullmatch(r"[\w.:/@+\-]{1,200}", id, re.ASCII):
        raise BadReply("has no id")
    return id


def _code(value: object) -> str:
    return value if isinstance(value, str) and WORD.fullmatch(value) else ""


def _number(value: object) -> float:
    """The number, 0 for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15 else 0.0
