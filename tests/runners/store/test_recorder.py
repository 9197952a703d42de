"""The library's own test cases for recorders, on ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
from stores import server

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.place import Place
from grokputer.runners.store.recorder import LogRecorder


class OnOurs:
    """A recorder of a log of its own for each test."""

    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.made = tmp_path, list[LogRecorder]()
        yield
        for recorder in self.made:
            recorder.close()

    def create_recorder(self) -> LogRecorder:
        self.made.append(LogRecorder(Ledger.create(self.find_place())))
        return self.made[-1]

    def find_place(self) -> Place:
        return self.folder / f"{len(self.made)}.db"


class InPostgres(OnOurs):
    """The same in a database."""

    def find_place(self) -> Place:
        return server().place()


class TestAsApplicationRecorder(OnOurs, ApplicationRecorderTestCase[LogRecorder]):
    """Events and notifications."""


class TestAsProcessRecorder(OnOurs, ProcessRecorderTestCase):
    """Events with tracking, in one transaction."""


class TestAsTrackingRecorder(OnOurs, TrackingRecorderTestCase):
    """Tracking alone."""


class TestPositionsOfOneSave(OnOurs, NonInterleavingNotificationIDsBaseCase):
    """Saves at the same time do not interleave."""


class TestAsApplicationRecorderInPostgres(InPostgres, ApplicationRecorderTestCase[LogRecorder]):
    """The same in a database."""


class TestAsProcessRecorderInPostgres(InPostgres, ProcessRecorderTestCase):
    """The same in a database."""


class TestAsTrackingRecorderInPostgres(InPostgres, TrackingRecorderTestCase):
    """The same in a database."""


class TestPositionsOfOneSaveInPostgres(InPostgres, NonInterleavingNotificationIDsBaseCase):
    """The same in a database."""


del ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase
del ProcessRecorderTestCase, TrackingRecorderTestCase  # else they would be collected as they are
