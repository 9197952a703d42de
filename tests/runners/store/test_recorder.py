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

from grokputer.runners.store.recorder import LogDatastore, LogRecorder
from grokputer.runners.store.schema import create_tables


class OnOurs:
    """A recorder of a log of its own for each test."""

    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.made = tmp_path, list[LogRecorder]()
        yield
        for recorder in self.made:
            recorder.datastore.close()

    def create_recorder(self) -> LogRecorder:
        path = self.folder / f"{len(self.made)}.db"
        create_tables(path)
        self.made.append(LogRecorder(LogDatastore(path)))
        return self.made[-1]


class TestAsApplicationRecorder(OnOurs, ApplicationRecorderTestCase[LogRecorder]):
    """Events and notifications."""


class TestAsProcessRecorder(OnOurs, ProcessRecorderTestCase):
    """Events with tracking, in one transaction."""


class TestAsTrackingRecorder(OnOurs, TrackingRecorderTestCase):
    """Tracking alone."""


class TestPositionsOfOneSave(OnOurs, NonInterleavingNotificationIDsBaseCase):
    """Saves at the same time do not interleave."""


del ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase
del ProcessRecorderTestCase, TrackingRecorderTestCase  # else they would be collected as they are
