"""The families of tasks of the site: each makes an endless number of instances, one from each seed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from ...families import unknown_task
from ...shell.draw import Draw
from ..instance import Instance, Moment
from . import mail, shop
from .server import Site
from .world import ARCHIVE, COUNTRIES, INBOX, SENT, TRASH, Account, Mail, Order, Product, World, invoice

GOODS = {
    "tea": ("Green tea", "Black tea", "Mint tea", "White tea", "Rooibos"),
    "coffee": ("Espresso", "Filter coffee", "Decaf", "Mocha beans"),
    "soap": ("Rose soap", "Lemon soap", "Olive soap", "Pine soap"),
    "candle": ("Tall candle", "Tea light", "Beeswax candle", "Blue candle"),
}
SUBJECTS = (
    *(
        "Lunch on Friday",
        "Your ticket",
        "Holiday pictures",
        "Minutes of the meeting",
        "Invoice of March",
        "Garden party",
    ),
    *("New address", "Question about the plan", "Train to Vienna", "Book club", "Choir practice", "Car repair"),
)
ANSWERS = (
    "I will be there.",
    "Thank you, all is well.",
    "Please send it again.",
    "See you on Monday.",
    "That is fine with me.",
)
STREETS = ("Mill Lane", "High Street", "Station Road", "Park Avenue", "Church Hill")
CITIES = ("Linz", "Ghent", "Turku", "Cork", "Bergen", "Odense")

Done = Callable[[World, Moment], bool]


@dataclass(frozen=True)
class Made:
    """What a family makes from a seed."""

    values: dict[str, object]
    """They are put into the wording."""
    world: World
    done: Done
    solution: tuple[str, ...]


Make = Callable[[Draw], Made]


@dataclass(frozen=True)
class Family:
    """One kind of task: its start, its wordings, and what makes it."""

    name: str
    host: str
    phrasings: tuple[str, ...]
    make: Make


FAMILIES: dict[str, Family] = {}


def _family(host: str, *phrasings: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        name = make.__name__.replace("_", "-")
        FAMILIES[name] = Family(name, host, phrasings, make)
        return make

    return add


class SiteTasks:
    """The ``Tasks`` of the site, with one server for each seat."""

    def __init__(self) -> None:
        self._sites: dict[int, Site] = {}

    def names(self) -> tuple[str, ...]:
        """The names of all families, sorted."""
        return tuple(sorted(FAMILIES))

    def make(self, task: str, seed: int, seat: int) -> Instance:
        """The task from the seed, with the site of the seat set to its beginning. Raises ``UnknownTask``."""
        family = self._find(task)
        made = family.make(Draw(f"web/{task}", seed))
        site = self._sites.get(seat)
        if site is None:
            site = self._sites[seat] = Site()
        world = site.world = made.world
        request = family.phrasings[seed % len(family.phrasings)].format(**made.values)
        return Instance(
            request,
            f"http://{family.host}/",
            site.allowed,
            lambda moment: made.done(world, moment),
            made.solution,
        )

    def has_solution(self, task: str) -> bool:
        """Every family has one. Raises ``UnknownTask``."""
        return bool(self._find(task))

    def close(self) -> None:
        """Stop the servers."""
        for site in self._sites.values():
            site.close()
        self._sites.clear()

    def _find(self, task: str) -> Family:
        if task not in FAMILIES:
            raise unknown_task(task, self.names())
        return FAMILIES[task]


# ---- Worlds ------------------------------------------------------------------------------------------------------------


def _shop(draw: Draw) -> World:
    """A shop with two or three products of each kind, no two at one price."""
    chosen = [(name, kind) for kind, names in GOODS.items() for name in draw.shuffled(names)[: draw.number(2, 3)]]
    prices = draw.numbers(len(chosen), 150, 1990)
    return World(
        products=[Product(name, kind, cents) for (name, kind), cents in zip(draw.shuffled(chosen), prices, strict=True)]
    )


def _mails(draw: Draw, count: int = 6) -> World:
    """A mail program with mails of as many people, no two of one subject."""
    world = World()
    for id, (sender, subject) in enumerate(zip(draw.people(count), draw.shuffled(SUBJECTS), strict=False), 1):
        world.mails.append(Mail(id, sender, subject, draw.lines(1, 3)[0] + "."))
    return world


def _ordered(items: dict[str, int]) -> Done:
    return lambda world, moment: [order.items for order in world.orders] == [items] and not world.cart


def _is_sent(world: World, to: str, text: str) -> bool:
    """Whether exactly one mail was sent, to this person, with this text somewhere in it."""
    return [each.to for each in world.sent()] == [to] and text in world.sent()[0].text


# ---- The shop ----------------------------------------------------------------------------------------------------------


@_family(
    shop.HOST,
    "Buy {product}.",
    "Order one {product}.",
    "I want to have {product}; place the order.",
    "Get me {product} from the shop.",
)
def buy(draw: Draw) -> Made:
    """Order one product."""
    world = _shop(draw)
    name = draw.one_of(world.products).name
    moves = (f"CLICK a:{name}", "CLICK button:Add to cart", "CLICK a:Checkout", "CLICK button:Place order")
    return Made({"product": name}, world, _ordered({name: 1}), moves)


@_family(
    shop.HOST,
    "Search for {kind} and buy the cheapest.",
    "Buy the {kind} that costs least.",
    "Which {kind} is the cheapest? Order it.",
    "Order the {kind} of the lowest price.",
)
def buy_cheapest(draw: Draw) -> Made:
    """Find products of a kind, and order the cheapest."""
    world = _shop(draw)
    kind = draw.one_of(sorted(GOODS))
    name = min((product for product in world.products if product.kind == kind), key=lambda product: product.cents).name
    moves = (
        *(f"SELECT option:{kind}", "CLICK button:Find", f"CLICK a:{name}"),
        *("CLICK button:Add to cart", "CLICK a:Checkout", "CLICK button:Place order"),
    )
    return Made({"kind": kind}, world, _ordered({name: 1}), moves)


@_family(
    shop.HOST,
    "Put {count} {product} into the cart.",
    "The cart should have {count} of {product}.",
    "Add {product} to the cart, {count} of it.",
    "I need {count} times {product} in my cart; do not order yet.",
)
def fill_cart(draw: Draw) -> Made:
    """Put several of one product into the cart."""
    world = _shop(draw)
    name, count = draw.one_of(world.products).name, draw.number(2, 9)
    moves = (f"CLICK a:{name}", f"TYPE input.number:Quantity | {count}", "CLICK button:Add to cart")
    return Made(
        {"product": name, "count": count},
        world,
        lambda world, moment: world.cart == {name: count} and not world.orders,
        moves,
    )


@_family(
    shop.HOST,
    "Take {product} out of the cart.",
    "Remove {product} from the cart.",
    "I do not want {product} any more; it is in the cart.",
    "The cart should be without {product}.",
)
def remove_from_cart(draw: Draw) -> Made:
    """Take one product out of a cart with several."""
    world = _shop(draw)
    names = [product.name for product in draw.shuffled(world.products)[:3]]
    world.cart = {name: draw.number(1, 3) for name in names}
    wanted = {name: count for name, count in world.cart.items() if name != names[1]}
    moves = (f"CLICK a:Cart ({sum(world.cart.values())})", f"CLICK button:Remove {names[1]}")
    return Made({"product": names[1]}, world, lambda world, moment: world.cart == wanted and not world.orders, moves)


@_family(
    shop.HOST,
    "My account: {name}, {street}, {city}, {country}; {newsletter}. Save it.",
    "Fill in the account: name {name}, street {street}, city {city}, country {country}; {newsletter}.",
    "Change my account to {name} in {city}, {country}, with the street {street}; {newsletter}.",
    "I am {name} and live in {city}, {country}, {street}. Put that into my account; {newsletter}.",
)
def fill_form(draw: Draw) -> Made:
    """Fill in a form and save it."""
    world = _shop(draw)
    wanted = Account(
        draw.person(),
        f"{draw.one_of(STREETS)} {draw.number(1, 99)}",
        draw.one_of(CITIES),
        draw.one_of(COUNTRIES[1:]),
        bool(draw.number(0, 1)),
    )
    moves = (
        *("CLICK a:Account", f"TYPE input.text:Name | {wanted.name}", f"TYPE input.text:Street | {wanted.street}"),
        *(f"TYPE input.text:City | {wanted.city}", f"SELECT option:{wanted.country}"),
        *(("CLICK input.checkbox:Newsletter",) if wanted.has_newsletter else ()),
        "CLICK button:Save",
    )
    news = "with the newsletter" if wanted.has_newsletter else "no newsletter"
    values = {"name": wanted.name, "street": wanted.street, "city": wanted.city, "country": wanted.country}
    return Made({**values, "newsletter": news}, world, lambda world, moment: world.account == wanted, moves)


@_family(
    shop.HOST,
    "Download the invoice of {product}.",
    "I need the invoice for {product} as a file.",
    "Get the invoice of the order with {product}.",
    "Save the invoice of {product}.",
)
def download_invoice(draw: Draw) -> Made:
    """Download the invoice of one of several orders."""
    world = _shop(draw)
    names = [product.name for product in draw.shuffled(world.products)[:3]]
    world.orders = [Order({name: draw.number(1, 4)}, number=str(1001 + n)) for n, name in enumerate(names)]
    order = draw.one_of(world.orders)
    [name] = order.items

    def done(world: World, moment: Moment) -> bool:
        return [path.read_text() for path in moment.folder.iterdir()] == [invoice(order)]

    return Made({"product": name}, world, done, ("CLICK a:Orders", f"CLICK a:Invoice {order.number}"))


# ---- The mail program --------------------------------------------------------------------------------------------------


@_family(
    mail.HOST,
    'Answer the mail of {sender} with "{text}"',
    'Reply to {sender}: "{text}"',
    '{sender} wrote to me. Answer "{text}"',
    'Write back to {sender}, with the words "{text}"',
)
def answer_mail(draw: Draw) -> Made:
    """Answer a mail."""
    world = _mails(draw)
    chosen, text = draw.one_of(world.mails), draw.one_of(ANSWERS)
    before = world.places()
    moves = (
        *(f"CLICK a:{chosen.sender}: {chosen.subject}", "CLICK a:Reply"),
        *(f"TYPE textarea:Text | {text}", "CLICK button:Send"),
    )
    return Made(
        {"sender": chosen.sender, "text": text},
        world,
        lambda world, moment: _is_sent(world, chosen.sender, text) and world.places() == before,
        moves,
    )


@_family(
    mail.HOST,
    "Delete all mails from {sender}.",
    "Remove every mail of {sender}.",
    "I do not want to see the mails of {sender} any more: delete them.",
    "All that {sender} wrote can go into the trash.",
)
def delete_mails(draw: Draw) -> Made:
    """Delete all mails of one sender, and no other."""
    world = _mails(draw, 7)
    sender = draw.one_of(world.mails).sender
    for other in draw.shuffled([each for each in world.mails if each.sender != sender])[: draw.number(1, 2)]:
        other.sender = sender
    gone = [each for each in world.mails if each.sender == sender]
    wanted = world.places() | {each.id: TRASH for each in gone}
    moves = (
        *(f"CLICK input.checkbox:Select {each.sender}: {each.subject}" for each in gone),
        "CLICK button:Delete selected",
    )
    return Made({"sender": sender}, world, lambda world, moment: world.places() == wanted and not world.sent(), moves)


@_family(
    mail.HOST,
    'Move the mail "{subject}" to the folder {folder}.',
    'Put "{subject}" into {folder}.',
    'The mail with the subject "{subject}" belongs into {folder}.',
    'File "{subject}" under {folder}.',
)
def move_mail(draw: Draw) -> Made:
    """Move a mail into a folder."""
    world = _mails(draw)
    own = draw.folder().capitalize()
    world.folders = [INBOX, ARCHIVE, own, TRASH, SENT]
    chosen, folder = draw.one_of(world.mails), draw.one_of((ARCHIVE, own))
    wanted = world.places() | {chosen.id: folder}
    moves = (
        *(f"CLICK a:{chosen.sender}: {chosen.subject}", f"SELECT option:{folder}"),
        "CLICK button:Move",
    )
    return Made(
        {"subject": chosen.subject, "folder": folder},
        world,
        lambda world, moment: world.places() == wanted and not world.sent(),
        moves,
    )


@_family(
    mail.HOST,
    "{friend} wants to know the telephone number of {owner}; one of the mails has it. Write it to {friend}.",
    "Find the telephone number of {owner} in the mails, and send it to {friend}.",
    "Send {friend} the number that {owner} wrote to me.",
    "Look up the telephone number of {owner} and mail it to {friend}.",
)
def find_number(draw: Draw) -> Made:
    """Find a number in a mail and send it to somebody."""
    world = _mails(draw)
    source = draw.one_of(world.mails)
    number = f"0{draw.number(600, 699)} {draw.number(100_000, 999_999)}"
    source.text = f"My telephone number is {number}."
    friend = draw.one_of([each.sender for each in world.mails if each is not source])
    before = copy.copy(world.places())
    moves = (
        *(f"CLICK a:{source.sender}: {source.subject}", "CLICK a:Write", f"TYPE input.text:To | {friend}"),
        *(f"TYPE textarea:Text | {number}", "CLICK button:Send"),
    )
    return Made(
        {"friend": friend, "owner": source.sender},
        world,
        lambda world, moment: _is_sent(world, friend, number) and world.places() == before,
        moves,
    )


@_family(
    mail.HOST,
    'Write to {person}: the subject is "{subject}", the text "{text}"',
    'Send {person} a mail with the subject "{subject}" and the words "{text}"',
    'New mail to {person}, "{subject}": "{text}"',
    '{person} should get a mail from me. Subject: "{subject}". Text: "{text}"',
)
def write_mail(draw: Draw) -> Made:
    """Write a new mail."""
    world = _mails(draw, 3)
    person, subject, text = draw.person(), draw.one_of(SUBJECTS), draw.one_of(ANSWERS)
    moves = (
        *("CLICK a:Write", f"TYPE input.text:To | {person}", f"TYPE input.text:Subject | {subject}"),
        *(f"TYPE textarea:Text | {text}", "CLICK button:Send"),
    )

    def done(world: World, moment: Moment) -> bool:
        return _is_sent(world, person, text) and world.sent()[0].subject == subject

    return Made({"person": person, "subject": subject, "text": text}, world, done, moves)
