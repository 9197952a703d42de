"""Runs of another program that are recorded together."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ..domain.errors import NotPossible
from ..runners.sessions.program_runs import ProgramRun
from ..runners.use_cases.intake.recordings import RecordedRun, RunRecorder
from .access import Access
from .arguments import checked


@dataclass
class Batch:
    """Runs of another program that are recorded together. If the block raises, none of them is recorded."""

    _access: Access
    _recorder: RunRecorder
    _runs: list[ProgramRun] = field(default_factory=list)
    recorded: tuple[RecordedRun, ...] = ()
    """The recorded runs, in order; empty until the block has ended."""
    _is_open: bool | None = None
    """None before the block, False after it."""

    @checked
    def record(self, run: ProgramRun) -> None:
        """Add a run to the batch. Raises ``NotPossible`` outside the batch's block, where it would be lost."""
        if not self._is_open:
            raise NotPossible("a run is added to a batch inside its 'with' block; begin another batch")
        self._runs.append(run)

    def __enter__(self) -> Self:
        if self._is_open is not None:
            raise NotPossible("a batch has one 'with' block; begin another batch")
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        if kind is None:
            self._access.require()
            self.recorded = tuple(self._recorder.record(self._runs))
