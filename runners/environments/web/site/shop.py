"""The shop: products, a cart, a checkout, orders with invoices, and an account."""

from __future__ import annotations

from collections.abc import Mapping

from . import html
from .world import COUNTRIES, DELIVERIES, World, invoice

HOST = "shop.test"
ALL_KINDS = "all"


def show(world: World, path: str, values: Mapping[str, str]) -> str | bytes | None:
    """The page at the path; bytes for a file; None where there is none."""
    parts = path.strip("/").split("/")
    match parts:
        case [""]:
            return _products(world, values.get("search", ""), values.get("kind", ALL_KINDS))
        case ["product", name]:
            return _product(world, name)
        case ["cart"]:
            return _cart(world)
        case ["checkout"]:
            choose = html.choice("Delivery", "delivery", DELIVERIES, DELIVERIES[0])
            return _page(world, "Checkout", html.form("/checkout", choose, "Place order"))
        case ["orders"]:
            lines = (
                html.escape(", ".join(f"{count} x {name}" for name, count in order.items.items()))
                + " "
                + html.link(f"/invoice/{order.number}", f"Invoice {order.number}")
                for order in world.orders
            )
            return _page(world, "Orders", html.rows(lines))
        case ["invoice", number]:
            found = next((order for order in world.orders if order.number == number), None)
            return None if found is None else invoice(found).encode()
        case ["account"]:
            return _account(world)
    return None


def take(world: World, path: str, values: Mapping[str, str]) -> str | None:
    """Do what the form at the path asks for; the path of the page that follows, None where there is none."""
    parts = path.strip("/").split("/")
    match parts:
        case ["cart", "add"] if (product := world.product(values.get("name", ""))) is not None:
            count = values.get("count", "1")
            if count.isdecimal() and 0 < int(count) < 100:
                world.cart[product.name] = world.cart.get(product.name, 0) + int(count)
            return "/cart"
        case ["cart", "remove"]:
            world.cart.pop(values.get("name", ""), None)
            return "/cart"
        case ["checkout"] if values.get("delivery") in DELIVERIES:
            world.order(values["delivery"])
            return "/orders"
        case ["account"]:
            account = world.account
            account.name, account.street = values.get("name", ""), values.get("street", "")
            account.city, account.country = values.get("city", ""), values.get("country", "")
            account.has_newsletter = "newsletter" in values
            return "/account"
    return None


def _page(world: World, title: str, body: str) -> str:
    cart = f"Cart ({sum(world.cart.values())})"
    links = (("/", "Products"), ("/cart", cart), ("/orders", "Orders"), ("/account", "Account"))
    return html.page(title, links, body)


def _products(world: World, search: str, kind: str) -> str:
    kinds = [ALL_KINDS, *sorted({product.kind for product in world.products})]
    fields = html.text_field("Search", "search", search) + html.choice("Kind", "kind", kinds, kind)
    found = [
        product
        for product in world.products
        if search.lower() in product.name.lower() and kind in (ALL_KINDS, product.kind)
    ]
    lines = (
        f"{html.link(f'/product/{html.part(product.name)}', product.name)} <span>{product.price}</span>"
        for product in found
    )
    return _page(world, "Products", html.form("/", fields, "Find", "get") + html.rows(lines))


def _product(world: World, name: str) -> str | None:
    product = world.product(name)
    if product is None:
        return None
    fields = html.hidden("name", name) + html.text_field("Quantity", "count", "1", "number")
    body = html.paragraph(f"{product.kind}, {product.price}") + html.form("/cart/add", fields, "Add to cart")
    return _page(world, name, body)


def _cart(world: World) -> str:
    if not world.cart:
        return _page(world, "Cart", html.paragraph("It is empty."))
    lines = (
        f"<span>{count} x {html.escape(name)}</span> {html.form('/cart/remove', html.hidden('name', name), f'Remove {name}')}"
        for name, count in world.cart.items()
    )
    return _page(world, "Cart", html.rows(lines) + html.link("/checkout", "Checkout"))


def _account(world: World) -> str:
    account = world.account
    box = "checked" if account.has_newsletter else ""
    fields = (
        html.text_field("Name", "name", account.name)
        + html.text_field("Street", "street", account.street)
        + html.text_field("City", "city", account.city)
        + html.choice("Country", "country", COUNTRIES, account.country)
        + f'<p><label><input type="checkbox" name="newsletter" {box}> Newsletter</label></p>'
    )
    return _page(world, "Account", html.form("/account", fields, "Save"))
