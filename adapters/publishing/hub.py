"""A registry of adapters in one model repository of the Hugging Face Hub: a commit for each adapter, tagged with its name.

At the tag, the repository is the adapter as PEFT loads it, with its model card. A tag is made after the commit and never
moved, so what can be found is whole, and a name means the same weights for ever. ``main`` is the adapter pushed last.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.errors import RegistryError, RegistryTaken
from ...domain.ports import Publication, PublishedAdapters
from ..registry.local import SUMS

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD, RECORD = "README.md", "grokputer.json"
"""The model card, and the facts that the log has of the adapter."""
PIECE = 1_000_000
"""Bytes that are read at once."""
TRIES = 8
"""Commits that are tried while others push at the same time; chosen."""
OVERTAKEN = (409, 412)
"""Statuses of a commit whose parent is no longer the newest, and of a tag that is there."""


class HubRegistry(PublishedAdapters):
    """Adapters in ``hf://OWNER/NAME``. The token is that of ``HF_TOKEN`` or of ``hf auth login``."""

    def __init__(self, url: str) -> None:
        from huggingface_hub import HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it warns about each attempt
        self._url = url.rstrip("/")
        self._repository = self._url.removeprefix("hf://")
        self._api: HfApi = HfApi(library_name="grokputer")

    @property
    def place(self) -> str:
        """The URL."""
        return self._url

    def push(self, adapter: Publication, folder: Path) -> bool:
        """As ``PublishedAdapters``. The repository is made where there is none, as a private one."""
        files = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
        record = {"adapter": adapter.name, "weights": adapter.weights, **adapter.facts}
        files |= {CARD: adapter.card.encode(), RECORD: f"{json.dumps(record, indent=1)}\n".encode()}
        for _ in range(TRIES):
            if self._is_there(adapter):
                return False
            with self._errors():
                self._api.create_repo(self._repository, private=True, exist_ok=True)
                commit = self._commit(adapter.name, files)
                if commit is not None and self._tag(adapter.name, commit):
                    return True
        raise RegistryError(f"the registry {self.place} is changed by others all the time; {adapter.name} waits")

    def find(self, name: str) -> str | None:
        """As ``PublishedAdapters``."""
        with self._errors():
            commit = self._commit_of(name)
            if commit is None:
                return None
            sums = self._download(SUMS, commit)
        return f"sha256:{hashlib.sha256(sums).hexdigest()}"

    def read(self, name: str, hash: str, file: str) -> Iterator[bytes]:
        """As ``PublishedAdapters``. The name alone says where the file is."""
        with self._errors():
            commit = self._commit_of(name)
        if commit is None:
            raise RegistryError(f"the registry {self.place} has no {name}")
        with tempfile.TemporaryDirectory() as aside, self._errors():
            got = self._api.hf_hub_download(self._repository, file, revision=commit, local_dir=aside)
            with open(got, "rb") as stream:
                while piece := stream.read(PIECE):
                    yield piece

    def _is_there(self, adapter: Publication) -> bool:
        """Whether the name is there with these weights. Raises ``RegistryTaken`` where it has others."""
        found = self.find(adapter.name)
        if found not in (None, adapter.weights):
            raise RegistryTaken(
                f"the registry {self.place} has another adapter as {adapter.name}: its weights are {found}, those of this log "
                f"{adapter.weights}; set registry.url to a repository of this log's own"
            )
        return found is not None

    def _commit(self, name: str, files: dict[str, bytes]) -> str | None:
        """Make the repository these files and no others, in one commit after the newest; the id of that commit.

        None where another commit came in between.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete
        from huggingface_hub.errors import HfHubHTTPError

        kept, newest = {*files, ".gitattributes"}, self._api.model_info(self._repository)
        there = [known.rfilename for known in newest.siblings or ()]
        operations: list[Any] = [CommitOperationDelete(path) for path in there if path not in kept]
        operations += [CommitOperationAdd(path, content) for path, content in files.items()]
        try:
            return self._api.create_commit(
                self._repository, operations, commit_message=name, parent_commit=newest.sha
            ).oid
        except HfHubHTTPError as error:
            if error.response.status_code not in OVERTAKEN:
                raise
            return None

    def _tag(self, name: str, commit: str) -> bool:
        """Give the commit its name; False where another push has done so first."""
        from huggingface_hub.errors import HfHubHTTPError

        try:
            self._api.create_tag(self._repository, tag=name, revision=commit)
        except HfHubHTTPError as error:
            if error.response.status_code not in OVERTAKEN:
                raise
            return False
        return True

    def _commit_of(self, name: str) -> str | None:
        """The id of the commit with this tag; None without one."""
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

        try:
            return self._api.model_info(self._repository, revision=name).sha
        except (RepositoryNotFoundError, RevisionNotFoundError):
            return None

    def _download(self, file: str, commit: str) -> bytes:
        with tempfile.TemporaryDirectory() as aside:
            got = self._api.hf_hub_download(self._repository, file, revision=commit, local_dir=aside)
            return Path(got).read_bytes()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what the library raises into one line; its errors are errors of the system or of HTTP."""
        from httpx2 import HTTPError
        from huggingface_hub.errors import HFValidationError

        try:
            yield
        except (HTTPError, OSError, HFValidationError) as error:
            said = " ".join(str(error).split())
            raise RegistryError(f"the registry {self.place} cannot be used: {said[:300]}") from error
