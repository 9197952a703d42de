"""An erasure: texts of a run or a person are deleted from the content store, and the log keeps the fact and the
reason."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import Hint, NotPossible
from ..events import ContentErased
from .base import Aggregate, Context


class ContentErasure(Aggregate):
    """One deletion of texts."""

    def erase(
        self,
        context: Context,
        *,
        run: str | None,
        person: str | None,
        runs: int,
        texts: int,
        adapters: Sequence[str],
        reason: str,
        erased: str,
    ) -> None:
        """Record the deletion; the fields are those of ``ContentErased``. Raises ``NotPossible`` without a reason."""
        if not reason.strip():
            raise NotPossible("an erasure is on record for good, so it needs a reason", hint=Hint.GIVE_REASON)
        self._record(
            ContentErased,
            context,
            run=run,
            person=person,
            runs=runs,
            texts=texts,
            adapters=tuple(adapters),
            reason=reason,
            erased=erased,
        )
