"""One episode: a task in progress on a visit, action by action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ....domain.errors import EnvironmentUnavailable
from ....domain.page.action import BROWSER_VERBS, explain_unreadable, parse_action
from ....domain.page.messages import Box, Page
from .browser.visit import Visit
from .hands.acting import perform
from .instance import Instance, Moment
from .network.hosts import BadAddress, read_url
from .page.lines import Shown, Spot
from .page.look import Look, look


class Episode:
    """A task in progress on a visit."""

    def __init__(self, instance: Instance, visit: Visit) -> None:
        self.instance, self.visit = instance, visit
        self._look = Look()
        self._shown: Sequence[Shown] = ()
        """The lines that an action may name."""
        self.page = Page(instance.request, (), verbs=BROWSER_VERBS)

    def begin(self) -> Page:
        """Open the first page. Raises ``EnvironmentUnavailable`` where that is not possible."""
        why = self.visit.open(self.instance.url)
        notes = self.visit.proxy.take_refusals()
        about = self._about_documents(notes)
        own = str(read_url(self.instance.url))
        self.visit.refresh(self.visit.tab)
        is_open = self.visit.tab.url.startswith(("http://", "https://")) or self.visit.dialog is not None
        if why or not is_open or any(note.startswith(f"{own} ") for note in about):
            reason = about[0] if about else why or "it is no page"
            raise EnvironmentUnavailable(f"cannot open {self.instance.url}: {reason}")
        return self._draw("", notes)

    def see(self, lines: Sequence[str], boxes: Sequence[Box | None]) -> Page:
        """The page with these lines, which were read at these places on its picture. The next action names them."""
        picture = self.page.picture
        spots = [None if box is None or picture is None else Spot(box, picture) for box in boxes]
        self._shown = [Shown(line, None, spot=spot) for line, spot in zip(lines, spots, strict=True)]
        self.page = replace(self.page, lines=tuple(lines), boxes=tuple(boxes))
        return self.page

    def act(self, written: str) -> Page:
        """Carry out one action; the page's ``error`` says why it was not, or what it was refused."""
        if self.page.is_done:
            return self._same("the episode is over")
        action = parse_action(written, BROWSER_VERBS)
        if action is None:
            return self._same(explain_unreadable(written, BROWSER_VERBS))
        if action.verb == "DONE":
            return self._end()
        why = perform(self.visit, self._shown, action)
        self.visit.settle()
        notes = self.visit.proxy.take_refusals()
        about = self._about_documents(notes)
        if about:
            self.visit.close_refused()
        if about and not why:
            why = f"refused: {about[0]}"
        return self._draw(why, [note for note in notes if note not in about])

    def _about_documents(self, notes: Sequence[str]) -> list[str]:
        """What of the refusals concerns where a page went, or what it opened, since the last look."""
        places = set()
        for url in self.visit.take_documents():
            try:
                places.add(str(read_url(url)))
            except BadAddress as error:
                places.add(str(error))
        return [note for note in notes if note in places or note.partition(" ")[0] in places]

    def _draw(self, error: str, notes: Sequence[str]) -> Page:
        """The page as it is now; it is done where the task is done."""
        self._look = look(self.visit, notes)
        self._shown = self._look.shown
        given_up = self.visit.take_given_up()  # also where the step has an error: it is no news of the next step
        error = error or given_up
        if self._is_done():
            return self._end(error)
        self.page = Page(
            self.instance.request,
            self._look.lines,
            error=error,
            verbs=BROWSER_VERBS,
            picture=self._look.picture,
            boxes=self._look.boxes,
        )
        return self.page

    def _is_done(self) -> bool:
        goal = self.instance.goal
        return goal is not None and goal(Moment(self.visit.tab.url, self._look.lines, self.visit.downloads.folder))

    def _end(self, error: str = "") -> Page:
        """The last page. Where nothing judges the task, its reward says that the episode ended."""
        reward = 1.0 if self.instance.goal is None or self._is_done() else 0.0
        shown = self._look
        self.page = Page(
            self.instance.request,
            shown.lines,
            True,
            reward,
            error,
            verbs=BROWSER_VERBS,
            picture=shown.picture,
            boxes=shown.boxes,
        )
        self.visit.close()
        return self.page

    def _same(self, error: str) -> Page:
        page = self.page
        return Page(
            page.task,
            page.lines,
            page.is_done,
            page.reward,
            error,
            verbs=page.verbs,
            picture=page.picture,
            boxes=page.boxes,
        )
