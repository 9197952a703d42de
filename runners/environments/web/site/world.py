"""The state behind the site: what the shop sells and was ordered, and the mails. A task is done where it is as it should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

INBOX, ARCHIVE, TRASH, SENT = "Inbox", "Archive", "Trash", "Sent"


@dataclass(frozen=True)
class Product:
    """Something that the shop sells."""

    name: str
    kind: str
    cents: int

    @property
    def price(self) -> str:
        """Its price as it is shown."""
        return f"{self.cents / 100:.2f} EUR"


@dataclass
class Order:
    """Something that was ordered."""

    items: dict[str, int]
    delivery: str = "standard"
    number: str = ""


@dataclass
class Mail:
    """A mail."""

    id: int
    sender: str
    subject: str
    text: str
    folder: str = INBOX
    to: str = "me"


@dataclass
class Account:
    """What the shop knows of its customer."""

    name: str = ""
    street: str = ""
    city: str = ""
    country: str = "Austria"
    has_newsletter: bool = False


COUNTRIES = ("Austria", "Belgium", "Denmark", "Finland", "Ireland", "Norway")
DELIVERIES = ("standard", "express")


@dataclass
class World:
    """All of it."""

    products: list[Product] = field(default_factory=list)
    cart: dict[str, int] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    account: Account = field(default_factory=Account)
    mails: list[Mail] = field(default_factory=list)
    folders: list[str] = field(default_factory=lambda: [INBOX, ARCHIVE, TRASH, SENT])

    def product(self, name: str) -> Product | None:
        """The product of this name."""
        return next((product for product in self.products if product.name == name), None)

    def mail(self, id: str) -> Mail | None:
        """The mail of this number."""
        return next((mail for mail in self.mails if str(mail.id) == id), None)

    def mails_in(self, folder: str) -> Iterator[Mail]:
        """The mails of a folder, in the order in which they came."""
        return (mail for mail in self.mails if mail.folder == folder)

    def order(self, delivery: str) -> None:
        """Order what is in the cart."""
        if self.cart:
            self.orders.append(Order(dict(self.cart), delivery, f"{1001 + len(self.orders)}"))
            self.cart.clear()

    def send(self, to: str, subject: str, text: str) -> None:
        """Send a mail."""
        self.mails.append(Mail(max((mail.id for mail in self.mails), default=0) + 1, "me", subject, text, SENT, to))

    def places(self) -> dict[int, str]:
        """The folder of each mail that was not sent from here."""
        return {mail.id: mail.folder for mail in self.mails if mail.folder != SENT}

    def sent(self) -> list[Mail]:
        """The mails that were sent from here."""
        return [mail for mail in self.mails if mail.folder == SENT]


def invoice(order: Order) -> str:
    """The text of an order's invoice."""
    return "".join(
        [f"Invoice {order.number}\n", *(f"{count} x {name}\n" for name, count in order.items.items()), "Thank you.\n"]
    )
