"""Stores of objects that are written once: a folder, and the buckets of S3, Google Cloud and Azure through obstore."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...domain.errors import RegistryError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

PIECE = 1_000_000
"""Bytes that are read at once."""

PATIENCE = timedelta(minutes=5)
"""The longest time of one request; chosen: a large adapter on a slow line."""
CONNECT = timedelta(seconds=5)
"""The longest time until a store answers at all; chosen."""
RETRIES = 2
"""Times that obstore repeats a request; chosen: the worker tries again later anyway."""


NO_BUCKET = re.compile("<Code>(NoSuchBucket|ContainerNotFound)</Code>")
"""What the providers say, in an error, of a bucket that is not there: S3 and Google Cloud, and Azure."""
KEYLESS = re.compile(r"//(169\.254\.169\.254|metadata\.google\.internal)/")
"""The addresses at which obstore asks the providers' own machines for keys, where it was given none."""
CERTLESS = "No CA certificates were loaded"
"""What obstore says on a machine without certificates of authorities, also of an address without TLS."""
KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_SERVICE_ACCOUNT",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""The environment variables with the keys, by the scheme of the URL."""


class Objects(Protocol):
    """Objects under keys such as ``weights/ab12/SHA256SUMS``."""

    @property
    def place(self) -> str:
        """Its URL or folder, without a secret."""
        ...

    def create(self, key: str, content: bytes) -> bool:
        """Store the object whole; False where there is one already, which stays. Raises ``RegistryError``."""
        ...

    def read(self, key: str) -> Iterator[bytes] | None:
        """The object's bytes in pieces; None where there is none. Raises ``RegistryError``, also while it is read."""
        ...


class Folder(Objects):
    """Objects as files of a folder, such as one that several machines mount."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.root)

    def create(self, key: str, content: bytes) -> bool:
        """As ``Objects``. The file appears under its name when it is on the disk; a link never replaces a file."""
        file = self.root / key
        aside = file.parent / f".incoming-{uuid.uuid4().hex}"
        with self._errors():
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                with aside.open("xb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.link(aside, file)
            except FileExistsError:
                return False
            finally:
                with suppress(OSError):
                    aside.unlink()
        return True

    def read(self, key: str) -> Iterator[bytes] | None:
        """As ``Objects``."""
        with self._errors():
            if self.root.is_file():
                raise RegistryError(f"the registry {self.place} is a file; give a folder")
            return self._pieces(self.root / key) if (self.root / key).is_file() else None

    def _pieces(self, file: Path) -> Iterator[bytes]:
        with self._errors(), file.open("rb") as stream:
            while piece := stream.read(PIECE):
                yield piece

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RegistryError(f"the registry {self.place} cannot be used: {error.strerror or error}") from error


class Bucket(Objects):
    """Objects of a bucket: ``s3://``, ``gs://`` or ``az://``. Keys come from each provider's usual environment variables."""

    def __init__(self, url: str) -> None:
        from obstore.store import from_url

        self._url = url.rstrip("/")
        # An endpoint of one's own may be plain HTTP; the URLs of the providers are HTTPS in any case.
        options: ClientConfig = {"allow_http": True, "timeout": PATIENCE, "connect_timeout": CONNECT}
        retries: RetryConfig = {"max_retries": RETRIES, "retry_timeout": CONNECT * 2}
        with self._errors():
            self._store: ObjectStore = from_url(self._url, client_options=options, retry_config=retries)

    @property
    def place(self) -> str:
        """The URL."""
        return self._url

    def create(self, key: str, content: bytes) -> bool:
        """As ``Objects``, by a request on the condition that there is none (``If-None-Match: *``)."""
        import obstore

        with self._errors():
            try:
                obstore.put(self._store, key, content, mode="create")
            except obstore.exceptions.AlreadyExistsError:
                return False
        return True

    def read(self, key: str) -> Iterator[bytes] | None:
        """As ``Objects``."""
        import obstore

        with self._errors():
            try:
                found = obstore.get(self._store, key)
            except FileNotFoundError as error:
                if NO_BUCKET.search(str(error)):  # not an object that is missing, but all of them
                    raise
                return None
        return self._pieces(found.stream(min_chunk_size=PIECE))

    def _pieces(self, stream: object) -> Iterator[bytes]:
        with self._errors():
            for piece in stream:  # type: ignore[attr-defined]
                yield bytes(piece)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise RegistryError(f"the registry {self.place} cannot be used: {self._why(error)}") from error

    def _why(self, error: Exception) -> str:
        scheme, _, path = self._url.partition("://")
        if NO_BUCKET.search(str(error)):
            return f"there is no bucket {path.partition('/')[0]}; make it there, or set registry.url to another place"
        if KEYLESS.search(str(error)):
            return f"it has no keys here; set {KEYS[scheme]}"
        if CERTLESS in str(error):
            return "this machine has no certificates of authorities; install them (Debian: ca-certificates)"
        return _in_short(error)


def _in_short(error: Exception) -> str:
    """The reason without the details of the library, which repeat it several times and may quote the server's page."""
    text = " ".join(str(error).partition("\n\nDebug source:")[0].split())
    return text if len(text) <= 300 else f"{text[:300]}…"
