"""Which nodes of a document make lines: what can be acted on, and texts, in the order in which they are drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .snapshot import (
    ELEMENT,
    NATIVE,
    PAGE,
    ROLES,
    STATES,
    TEXT,
    Document,
    Element,
    Rect,
    kind_of,
    squeeze,
    takes_text,
)

MOST_OPTIONS = 20
"""Options of one list that are shown; TYPE on the list chooses any other. Chosen: a third of a page's lines."""

EDITOR = "editor"
"""The kind of an element whose own text can be changed."""

SMALLEST = 1.0
"""Pixels: what is no wider and no higher is there for programs that read aloud, and not to be seen."""

Inner = Callable[[int, Rect, Rect], Iterator[Element]]
"""What is in a frame that is a document of its own: from the node of the frame, its place and what is seen of it."""


Border = Callable[[int], tuple[float, float]]
"""How far what is in a frame begins from the corner of the frame, by the browser's number of its node."""


def read_documents(
    snapshot: Mapping[str, Any], session: str, place: Rect, foreign: Inner, border: Border
) -> Iterator[Element]:
    """The elements of a session's documents.

    ``place`` is where the session's page lies in the tab's view; ``foreign`` gives what is in frames of other sites.
    """
    documents = [Document(written, snapshot["strings"]) for written in snapshot["documents"]]

    def read(index: int, place: Rect, view: Rect) -> Iterator[Element]:
        document = documents[index]
        own = document.rare("contentDocumentIndex")

        def inner(node: int, place: Rect, view: Rect) -> Iterator[Element]:
            if node in own:
                return read(own[node], place, view)
            return foreign(document.ids[node], place, view)

        return Reading(document, session, place, view, inner, border).elements()

    return read(0, place, place)


@dataclass
class Reading:
    """Reads one document."""

    document: Document
    session: str
    place: Rect
    """Where its view lies in the tab's."""
    view: Rect
    """What can be seen of it."""
    inner: Inner
    border: Border
    _prose: dict[int, Element] = field(default_factory=dict)

    @cached_property
    def fields(self) -> list[int]:
        """The fields of forms."""
        return [node for node in self.document.order if self.document.name(node) in ("INPUT", "TEXTAREA", "SELECT")]

    @cached_property
    def labels(self) -> dict[int, int]:
        """The field of each label that is drawn."""
        document, found = self.document, dict[int, int]()
        by_id = {document.attributes[node].get("id"): node for node in self.fields}
        inside = {above: node for node in reversed(self.fields) for above in document.above(node)}
        for node in document.order:
            if document.types[node] == ELEMENT and document.name(node) == "LABEL":
                owner = document.attributes[node].get("for")
                of = by_id.get(owner) if owner else inside.get(node)
                if of is not None:
                    found[node] = of
        return found

    @cached_property
    def _labels_of(self) -> dict[int, list[int]]:
        found = defaultdict[int, list[int]](list)
        for label, of in self.labels.items():
            found[of].append(label)
        return found

    @cached_property
    def acting(self) -> set[int]:
        """The elements that can be acted on, without those that only hold others."""
        document, clickable = self.document, self.document.rare("isClickable")
        found = {node for node in document.order if document.types[node] == ELEMENT and self._can_act(node, clickable)}
        holders = set[int]()
        for node in found:
            outer = next((above for above in document.above(node) if above in found), None)
            if outer is None:
                continue
            if self._is_native(node) or not self._is_native(outer):
                if not self._is_native(outer):
                    holders.add(outer)
            else:
                holders.add(node)
        return found - holders

    def _can_act(self, node: int, clickable: Mapping[int, Any]) -> bool:
        document = self.document
        name, attributes = document.name(node), document.attributes[node]
        if name in PAGE or name in ("LABEL", "IFRAME"):
            return False
        if self._is_native(node) or attributes.get("contenteditable") in ("", "true", "plaintext-only"):
            return attributes.get("type", "").lower() != "hidden"
        if node in clickable:
            return True
        parent = document.parents[node]
        return document.style(node, "cursor") == "pointer" and document.style(parent, "cursor") != "pointer"

    def _is_native(self, node: int) -> bool:
        name, attributes = self.document.name(node), self.document.attributes[node]
        return name in NATIVE or (name == "A" and "href" in attributes) or attributes.get("role") in ROLES

    def elements(self) -> Iterator[Element]:
        """What becomes lines, in the order in which it is drawn."""
        drawn = list(self._drawn())
        for element in drawn:
            element.text = squeeze(element.text)
            if element.kind == EDITOR:
                element.text, element.value, element.wants_name = "", element.text, True
            if element.can_act or element.text:
                yield element

    def _drawn(self) -> Iterator[Element]:
        document, owners = self.document, dict[int, Element]()
        texts = defaultdict[int, list[str]](list)
        for index, node in enumerate(document.order):
            if not self._is_shown(node):
                continue
            if document.types[node] == TEXT:
                owner = next((above for above in document.above(node) if above in owners), None)
                if owner is not None:
                    texts[owner].append(document.text(index))
                    owners[owner].text = " ".join(texts[owner])
                elif (prose := self._add_prose(node, document.text(index))) is not None:
                    yield prose
            elif document.types[node] == ELEMENT:
                yield from self._draw_element(node, owners)

    def _draw_element(self, node: int, owners: dict[int, Element]) -> Iterator[Element]:
        document = self.document
        name = document.name(node)
        if name in ("IFRAME", "FRAME"):
            place = self._place(node)
            if place is not None and (seen := place.within(self.view)) is not None:
                yield from self.inner(node, place.moved(*self.border(document.ids[node])), seen)
        elif node in self.acting:
            element = owners[node] = self._actor(node)
            yield element
            if name == "SELECT":
                yield from self._options(node)
        elif name == "CANVAS":
            text = document.attributes[node].get("aria-label", "")
            yield Element(self.session, document.ids[node], "canvas", text, box=self._place(node), view=self.view)
        elif name == "IMG" and not any(above in owners for above in document.above(node)):
            alt = document.attributes[node].get("alt", "")
            yield Element(self.session, document.ids[node], "img", alt, box=self._place(node), view=self.view)

    def _actor(self, node: int) -> Element:
        """The element that can be acted on, still without its text."""
        document = self.document
        attributes, name, kind = document.attributes[node], document.name(node), kind_of(document, node)
        if kind not in ROLES and name not in NATIVE and "contenteditable" in attributes:
            kind = EDITOR
        is_field = name in ("INPUT", "TEXTAREA", "SELECT")
        word = attributes.get("name") or attributes.get("id") or ""
        element = Element(self.session, document.ids[node], kind, can_act=True, box=self._place(node), view=self.view)
        element.is_disabled = "disabled" in attributes or attributes.get("aria-disabled") == "true"
        element.is_on = self._is_on(node)
        element.wants_name = True
        element.fallback = f"#{word}" if word.isascii() and word.replace("-", "").replace("_", "").isalnum() else ""
        element.labels = frozenset(
            document.ids[each] for label in self._labels_of.get(node, ()) for each in document.below(label)
        )
        if is_field and kind == "button":
            element.text, element.wants_name = attributes.get("value", ""), "value" not in attributes
        elif is_field and takes_text(kind):
            key = "textValue" if name == "TEXTAREA" else "inputValue"
            value = squeeze(str(self.document.rare(key).get(node, "")))
            element.value = "*" * min(len(value), 8) if kind == "input.password" else value
        elif not is_field and "aria-label" not in attributes:
            element.wants_name = False
        return element

    def _options(self, node: int) -> Iterator[Element]:
        document, chosen = self.document, self.document.rare("optionSelected")
        options = [each for each in sorted(document.below(node)) if document.name(each) == "OPTION"]
        shown = set(options[:MOST_OPTIONS]) | {option for option in options if option in chosen}
        for option in options:
            if option in shown:
                text = document.words(option).strip() or document.attributes[option].get("label", "")
                yield Element(
                    self.session,
                    document.ids[option],
                    "option",
                    text,
                    is_on=option in chosen,
                    is_disabled="disabled" in document.attributes[option],
                    can_act=True,
                    box=self._place(node),
                    view=self.view,
                )

    def _is_on(self, node: int) -> bool:
        document = self.document
        attributes = document.attributes[node]
        if attributes.get("type", "").lower() in ("checkbox", "radio"):
            return node in document.rare("inputChecked")
        if document.name(node) == "SUMMARY":
            return "open" in document.attributes[document.parents[node]]
        return any(attributes.get(state) == "true" for state in STATES)

    def _add_prose(self, node: int, text: str) -> Element | None:
        """A new line of text; None where the text belongs to a line that there is, or to a field's label."""
        document = self.document
        if not text.strip():
            return None
        above = list(document.above(node))
        if any(each in self.labels for each in above):
            return None
        block = next((each for each in above if not document.style(each, "display").startswith("inline")), above[0])
        if (known := self._prose.get(block)) is not None:
            known.text += f" {text}"
            return None
        bearer = document.parents[node] if block == above[0] else block
        kind = kind_of(document, bearer) if document.types[bearer] == ELEMENT else "text"
        known = self._prose[block] = Element(
            self.session, document.ids[bearer], kind, text, box=self._place(node), view=self.view
        )
        return known

    def _is_shown(self, node: int) -> bool:
        """Whether it is there to be seen; a field that is drawn by its label counts."""
        document = self.document
        if document.types[node] not in (ELEMENT, TEXT):
            return False
        bounds = document.bounds(node)
        is_field = document.types[node] == ELEMENT and document.name(node) in ("INPUT", "SELECT")
        if bounds is None or document.style(node, "visibility") != "visible":
            return False
        if is_field:
            return True
        if bounds.width <= SMALLEST or bounds.height <= SMALLEST:
            return document.types[node] == ELEMENT and document.name(node) not in ("IMG", "IFRAME") and bounds.width > 0
        parent = document.bounds(document.parents[node]) if document.types[node] == TEXT else None
        if parent is not None and (parent.width <= SMALLEST or parent.height <= SMALLEST):
            return False
        return bounds.x + bounds.width > 0 and bounds.y + bounds.height > 0

    def _place(self, node: int) -> Rect | None:
        bounds = self.document.bounds(node)
        if bounds is None:
            return None
        x, y = self.document.scroll
        return bounds.moved(self.place.x - x, self.place.y - y)
