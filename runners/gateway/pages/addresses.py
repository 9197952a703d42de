"""The addresses of all pages."""

from __future__ import annotations

from ....domain.vocabulary import Scope
from . import failures, home, rating, runs
from .visit import Page

RATER = (Scope.RATE,)
"""Who may rate."""

ADMIN = (Scope.ADMIN,)
"""Who may decide."""

PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/"): Page(home.show_home),
    ("GET", "/runs"): Page(runs.list_runs),
    ("GET", "/runs/{run}"): Page(runs.show_run),
    ("GET", "/failures"): Page(failures.show_failures),
    ("GET", "/failures/{run}"): Page(failures.show_group),
    ("POST", "/failures/{run}"): Page(failures.train_on_group, ADMIN),
    ("GET", "/rate"): Page(rating.show_next, RATER),
    ("GET", "/rate/{run}"): Page(rating.show_form, RATER),
    ("POST", "/rate/{run}"): Page(rating.save, RATER),
}
"""Every page by method and address; the parts in braces name something."""
