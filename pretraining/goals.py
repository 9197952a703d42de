"""The goals of synthetic tasks: each puts its elements on the page, and returns its words and its steps."""
# ruff: noqa: SIM905 (lists of words read better as text)

from __future__ import annotations

from random import Random

from ..domain.page.prompt import HISTORY
from . import words
from .scene import COLORS, SHAPES, SIZES, TEXTUAL, Element, Scene, clickable, new_name, new_text

Step = tuple[str, Element, str]  # verb, element, text to type
Goal = tuple[str, list[Step]]  # the words of the instruction, and the steps

CLICK = (
    "click|click on|press|hit|tap|push|open|use|activate|go to|press on|follow|choose|pick|left-click|find and click"
).split("|")
TYPE = "type|enter|write|put|fill in|input|insert|key in".split("|")
TICK = "tick|check|mark|select|switch on|choose|turn on|enable".split("|")
PICK = "choose|pick|select|set|take|opt for".split("|")
ORDINALS = ("first|1st", "second|2nd", "third|3rd", "fourth|4th", "fifth|5th", "sixth|6th", "seventh|7th")
KIND_WORDS = {
    "button": "button",
    "a": "link|hyperlink",
    "link": "link",
    "tab": "tab",
    "menuitem": "menu item|menu entry",
    "li": "list item|item|entry",
    "h3": "heading|header",
    "h2": "heading|title",
    "label": "label",
    "img": "image|picture|icon",
    "input.radio": "radio|radio button|option",
    "input.checkbox": "checkbox|check box|tick box",
    "input.text": "text|text field|textbox|text box|input|input field|field|text input|text widget",
    "input.email": "email field|email box",
    "input.number": "number field|number box",
    "textarea": "textarea|text area",
    "span": "text|word",
    "p": "paragraph",
    "div": "box|block",
    "rect": "rectangle|rect|box",
    "circle": "circle|ball",
    "ellipse": "ellipse|oval",
    "polygon": "polygon|shape",
}


def quoted(rng: Random, text: str) -> str:
    """The text as instructions name it, mostly in quotes."""
    return rng.choice(['"{}"', '"{}"', '"{}"', "{}", "{}", "'{}'", "“{}”"]).format(text)


def kind_word(rng: Random, element: Element) -> str:
    """A word for elements of this kind."""
    return rng.choice(KIND_WORDS.get(element.kind, element.kind).split("|"))


def own_kind_word(rng: Random, scene: Scene, element: Element) -> str:
    """A word for elements of this kind that fits no other kind on the page, where there is one."""
    others = {e.kind for e in scene.elements} - {element.kind}
    taken = {word for kind in others for word in KIND_WORDS.get(kind, kind).split("|")}
    free = [word for word in KIND_WORDS.get(element.kind, element.kind).split("|") if word not in taken]
    return rng.choice(free) if free else kind_word(rng, element)


def by_attribute(rng: Random, scene: Scene, element: Element) -> tuple[str, Element]:
    """Words for the element's colour, or size and colour, and the first element on the page that matches."""
    attributes = element.attributes if rng.random() < 0.4 else (element.attributes[-1],)
    first = next(e for e in scene.elements if set(attributes) <= set(e.attributes))
    word = rng.choice([kind_word(rng, first), "one", "element", "thing"])
    return f"the {' '.join(attributes)} {word}", first


def by_text(rng: Random, scene: Scene, element: Element) -> str:
    """The element named by its text, with or without its kind."""
    text = element.text.rstrip(" :") or element.text
    if text.isascii() and text.lower() in words.COMMON and rng.random() < 0.2:
        text = rng.choice([text.lower(), text.capitalize(), text.upper()])
    text = quoted(rng, text)
    return rng.choice(
        [
            "{t}",
            "{t}",
            "the {t} {k}",
            "the {k} {t}",
            "{k} {t}",
            "the {k} named {t}",
            "the {k} called {t}",
            "the {k} labelled {t}",
            "the {k} that says {t}",
            "{t} ({k})",
            "the {k} with the text {t}",
        ]
    ).format(t=text, k=kind_word(rng, element))


def by_order(rng: Random, scene: Scene, element: Element) -> str:
    """The element named by its place among elements of its kind: ``the second button``, ``the last link``, ``a textarea``."""
    alike = [e for e in scene.elements if e.kind == element.kind]
    place, word = alike.index(element), own_kind_word(rng, scene, element)
    if element is alike[0] and rng.random() < (0.8 if len(alike) == 1 else 0.3):
        return rng.choice(["the {}", "a {}", 'a "{}"', "the {} element", "any {}", 'the "{}" widget']).format(word)
    if element is alike[-1] and len(alike) > 1 and rng.random() < 0.4:
        return f"the last {word}"
    if place < len(ORDINALS):
        return f"the {rng.choice(ORDINALS[place].split('|'))} {word}"
    return f"{word} number {place + 1}"


def by_neighbour(rng: Random, scene: Scene, element: Element) -> str:
    """The element named by the line before or after it, or by its text where neither has one."""
    at = scene.elements.index(element)
    before, after = scene.elements[at - 1] if at else None, scene.elements[at + 1 : at + 2]
    word = rng.choice(["the {k} ", "what comes ", "the element "]).format(k=kind_word(rng, element))
    if before and before.text and len(before.text) < 30:
        return f"{word}{rng.choice(['after', 'below', 'right after', 'under', 'following'])} {quoted(rng, before.text)}"
    if after and after[0].text and len(after[0].text) < 30:
        return f"{word}{rng.choice(['before', 'above', 'right before'])} {quoted(rng, after[0].text)}"
    return by_text(rng, scene, element)


def part_of(rng: Random, scene: Scene, text: str) -> str:
    """A word of the text that occurs nowhere else on the page, in any case; else the whole text."""
    others = " ".join(element.text for element in scene.elements if element.text != text).lower().split()
    words_of_it = [word for word in text.rstrip(" :").split() if len(word) > 2 and word.lower() not in others]
    if not words_of_it:
        return text
    word = rng.choice(words_of_it)
    return rng.choice([word, word.lower(), word.capitalize()])


def click_text(rng: Random, scene: Scene) -> Goal:
    """Click the element with a text. Sometimes another kind has the same text, and the kind decides."""
    element = clickable(rng, scene)
    scene.place(rng, element)
    describe = rng.choices([by_text, by_order, by_neighbour], [8, 2, 1])[0]
    asked = describe(rng, scene, element)
    if describe is by_text and kind_word(rng, element) in asked and rng.random() < 0.5:
        other = {"button": "a", "tab": "button"}.get(element.kind)
        if other and f" {KIND_WORDS[element.kind]}" in f" {asked}":
            scene.place(rng, Element(other, element.text))
    return f"{rng.choice(CLICK)} {asked}", [("CLICK", element, "")]


def click_kind(rng: Random, scene: Scene) -> Goal:
    """Click an element of a kind, among others of that and similar kinds, with any texts and values."""
    known = ["input.radio", "input.checkbox", "input.text", "textarea", "button", "a", "tab", "img", "h3"]
    kinds = rng.sample(known, rng.randint(2, 6))
    for kind in [*kinds, *rng.choices(kinds, k=rng.randint(0, 3))]:
        text = words.characters(rng, 1, 6) if rng.random() < 0.5 else new_text(rng, scene)
        is_field = kind in TEXTUAL
        scene.place(rng, Element(kind, "" if is_field else text, value=text if is_field and rng.random() < 0.6 else ""))
    element = rng.choice([e for e in scene.elements if e.kind in kinds])
    if rng.random() < 0.6:
        element = next(e for e in scene.elements if e.kind == element.kind)
    return f"{rng.choice(CLICK)} {by_order(rng, scene, element)}", [("CLICK", element, "")]


def click_attribute(rng: Random, scene: Scene) -> Goal:
    """Click the element with a colour, a size, or both."""
    kind, seen = rng.choice(SHAPES), set()
    for _ in range(rng.randint(2, 7)):
        attributes = rng.choice([(rng.choice(SIZES), rng.choice(COLORS)), (rng.choice(COLORS),)])
        if attributes[-1] not in seen:
            seen.add(attributes[-1])
            scene.place(rng, Element(kind if rng.random() < 0.8 else rng.choice(SHAPES), attributes=attributes))
    element = rng.choice([e for e in scene.elements if e.attributes and e.attributes[-1] in seen])
    asked, first = by_attribute(rng, scene, element)
    return f"{rng.choice(CLICK)} {asked}", [("CLICK", first, "")]


def listed(rng: Random, names: list[str]) -> str:
    """Several names as a list in words."""
    style = rng.random()
    named = [f'"{name}"' for name in names] if style < 0.25 else names
    if style < 0.6 or len(names) < 2:
        return ", ".join(named)
    return ", ".join(named[:-1]) + rng.choice([" and ", ", and "]) + named[-1]


def tick(rng: Random, scene: Scene) -> Goal:
    """Tick some boxes, none, all, or all but some; boxes that are already ticked stay unchanged."""
    boxes = []
    plain = rng.random() < 0.4
    for _ in range(rng.randint(2, 7)):
        text = words.characters(rng, 2, 8) if plain else new_text(rng, scene)
        boxes.append(Element("input.checkbox", text, is_on=False, group=0))
        scene.elements.append(boxes[-1])
    for box in boxes:
        scene.elements.remove(box)
    scene.place(rng, *boxes)
    wanted = [box for box in boxes if rng.random() < 0.5]
    way = rng.random()
    if way < 0.08:
        wanted, asked = (
            boxes,
            rng.choice(["every box", "all the boxes", "everything", "all checkboxes", "each checkbox"]),
        )
    elif way < 0.14 and 0 < len(wanted) < len(boxes):
        left = [box.text for box in boxes if box not in wanted]
        asked = rng.choice(["every box but {}", "everything except {}", "all boxes other than {}"]).format(
            listed(rng, left)
        )
    elif not wanted:
        asked = rng.choice(["nothing", "no box", "none of the boxes", "nothing"])
    else:
        named = [box.text for box in (wanted if rng.random() < 0.8 else rng.sample(wanted, len(wanted)))]
        asked = rng.choice(["{}", "{}", "the boxes {}", "{} in the list", "what says {}"]).format(listed(rng, named))
    for box in wanted:
        box.is_on = rng.random() < 0.1
    return f"{rng.choice(TICK)} {asked}", [("CLICK", box, "") for box in wanted if not box.is_on][:HISTORY]


def choose_radio(rng: Random, scene: Scene) -> Goal:
    """Choose one of some radio buttons."""
    group, plain = rng.randint(1, 10**6), rng.random() < 0.4
    radios = [
        Element("input.radio", words.characters(rng, 2, 8) if plain else new_text(rng, scene), group=group)
        for _ in range(rng.randint(2, 7))
    ]
    scene.place(rng, *radios)
    if rng.random() < 0.3:
        rng.choice(radios).is_on = True
    radio = rng.choice(radios)
    asked = quoted(rng, radio.text) if rng.random() < 0.7 else by_text(rng, scene, radio)
    if rng.random() < 0.1:
        asked = by_order(rng, scene, radio)
    return f"{rng.choice(PICK)} {asked}", [("CLICK", next(r for r in radios if r.text == radio.text), "")]


def choose_option(rng: Random, scene: Scene) -> Goal:
    """Choose an option of a drop-down list, possibly among other drop-down lists."""
    goals: list[Goal] = []
    for _ in range(rng.choice([1, 1, 2])):
        group, label = rng.randint(1, 10**6), new_text(rng, scene, 2) if rng.random() < 0.6 else ""
        options = [Element("option", new_text(rng, scene), group=group) for _ in range(rng.randint(2, 7))]
        options[0].is_on = rng.random() < 0.8
        drop_down = Element("select", label, name="" if label else rng.choice(["", new_name(rng)]), group=group)
        scene.place(rng, drop_down, *options)
        option = rng.choice(options)
        place = (
            rng.choice(["", " in the drop-down"])
            if not label
            else rng.choice([f" for {quoted(rng, label)}", f" as {label}", f" under {label}"])
        )
        goals.append((f"{rng.choice(PICK)} {quoted(rng, option.text)}{place}", [("SELECT", option, "")]))
    return rng.choice(goals)


def choose_tab(rng: Random, scene: Scene) -> Goal:
    """Open one of some tabs that differ by a number or a word."""
    group, stem, sign = rng.randint(1, 10**6), words.word(rng), rng.choice([" ", " #", " no. ", "-"])
    alike = rng.random() < 0.5
    tabs = [
        Element("tab", f"{stem}{sign}{n}" if alike else new_text(rng, scene), group=group)
        for n in range(1, rng.randint(3, 7))
    ]
    scene.place(rng, *tabs)
    rng.choice(tabs).is_on = True
    tab = rng.choice(tabs)
    asked = tab.text if rng.random() < 0.5 else by_text(rng, scene, tab)
    return f"{rng.choice(CLICK)} {asked}", [("CLICK", next(t for t in tabs if t.text == tab.text), "")]


def text_field(rng: Random, scene: Scene) -> tuple[Element, str]:
    """A field put on the page, and words for it: by its label, its name, its place, or as the only one."""
    element = Element(rng.choice(TEXTUAL))
    way = rng.random()
    if way < 0.2:
        element.text = new_text(rng, scene, 3)
        asked = rng.choice(["{}", "the {} field", "the {}"]).format(part_of(rng, scene, element.text))
        element.text += rng.choice(["", "", ":"])
    elif way < 0.6:
        element.text = new_text(rng, scene, 2)
        asked = rng.choice(
            ["{}", '"{}"', "the {} field", 'the "{}" field', "the field {}", "the {} box", "the field labelled {}"]
        )
        asked, element.text = asked.format(element.text), element.text + rng.choice(["", "", ":"])
    elif way < 0.74:
        element.name = "#" + rng.choice([rng.choice(words.COMMON), words.syllables(rng, 1, 3)])
        asked = rng.choice(["{}", "the {} field", "the {} box", "the {}"]).format(element.name[1:])
    else:
        element.name = rng.choice(["", new_name(rng)])
        asked = ""
    scene.place(rng, element)
    return element, asked or by_order(rng, scene, element)


def type_text(rng: Random, scene: Scene) -> Goal:
    """Type given words into a field, which may already contain text."""
    element, place = text_field(rng, scene)
    text = words.typed(rng)
    if rng.random() < 0.1:
        element.value = words.typed(rng)
    asked = rng.choice(
        [
            "{v} {t} into {p}",
            "{v} {t} in {p}",
            "{v} {t} into {p}",
            "{v} {t} in {p}",
            "{v} {q} to {p}",
            "set {p} to {q}",
            "fill {p} with {t}",
            "make {p} read {q}",
            "{p}: {q}",
            "give {q} as {p}",
            "in {p}, {v} {t}",
        ]
    )
    return asked.format(v=rng.choice(TYPE), t=quoted(rng, text), q=f'"{text}"', p=place), [("TYPE", element, text)]


def fill_several(rng: Random, scene: Scene) -> Goal:
    """Type given words into two or three fields."""
    goals = [type_text(rng, scene) for _ in range(rng.randint(2, 3))]
    kinds = [steps[0][1] for _, steps in goals]
    if any(not (e.text or e.name) for e in kinds):  # "the second field" may have moved since its goal was made
        return goals[-1]
    joint = rng.choice([" and ", ", ", "; ", ", and "])
    return joint.join(asked for asked, _ in goals), [step for _, steps in goals for step in steps]


def focus(rng: Random, scene: Scene) -> Goal:
    """Put the cursor into a field."""
    element, place = text_field(rng, scene)
    verb = rng.choice(
        ["focus", "focus on", "put the cursor into", "click into", "set the focus to", "go into", "place the cursor in"]
    )
    return f"{verb} {place}", [("CLICK", element, "")]
