"""The addresses of all pages."""

from __future__ import annotations

from ....domain.vocabulary import Scope
from ..site.visit import Page
from . import adapters, alerts, failures, history, home, media, rating, readings, rollouts, runs, settings

RATER = (Scope.RATE,)
"""Who may rate."""
ADMIN = (Scope.ADMIN,)
"""Who may decide."""
FAILURES = (*failures.FIELDS, "last")
QUEUE = ("order", "role")

PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/"): Page(home.show_home),
    ("GET", "/runs"): Page(runs.list_runs, query=(*runs.FIELDS, *runs.FLAGS, "limit"), threads=1),
    ("GET", "/runs/{run}"): Page(runs.show_run, query=("reading",)),
    ("POST", "/runs/{run}"): Page(readings.save, RATER, query=("reading",), fields=readings.FIELDS),
    ("GET", "/runs/{run}/media/{picture}"): Page(media.show_media),
    ("GET", "/failures"): Page(failures.show_failures, query=FAILURES, threads=1),
    ("GET", "/failures/{run}"): Page(failures.show_group, query=FAILURES, threads=1),
    ("POST", "/failures/{run}"): Page(
        failures.train_on_group, ADMIN, query=FAILURES, fields=(*FAILURES, "reason"), threads=1
    ),
    ("GET", "/rate"): Page(rating.show_next, RATER, query=(*QUEUE, "after")),
    ("GET", "/rate/{run}"): Page(rating.show_form, RATER, query=QUEUE),
    ("POST", "/rate/{run}"): Page(rating.save, RATER, query=QUEUE, fields=rating.FIELDS, threads=4),
    ("GET", "/rollouts"): Page(rollouts.list_rollouts),
    ("GET", "/rollouts/{adapter}"): Page(rollouts.show_rollout, threads=1),
    ("POST", "/rollouts/{adapter}"): Page(rollouts.decide, ADMIN, fields=rollouts.FIELDS),
    ("GET", "/adapters"): Page(adapters.list_adapters),
    ("GET", "/adapters/{adapter}"): Page(adapters.show_adapter),
    ("GET", "/trainings"): Page(adapters.list_trainings),
    ("POST", "/trainings"): Page(adapters.request, ADMIN, fields=("role", "reason")),
    ("GET", "/trainings/{training}"): Page(adapters.show_training),
    ("POST", "/trainings/{training}"): Page(adapters.decide, ADMIN, fields=("decision", "reason")),
    ("GET", "/alerts"): Page(alerts.list_alerts, query=("limit",)),
    ("GET", "/settings"): Page(settings.list_settings, query=settings.FILTER),
    ("POST", "/settings"): Page(settings.change, ADMIN, query=settings.FILTER, fields=settings.FIELDS),
    ("GET", "/settings/{key}"): Page(settings.show_setting),
    ("GET", "/log"): Page(history.list_events, query=history.FILTER, threads=1),
    ("GET", "/log/{position}"): Page(history.show_event),
    ("GET", "/why/{name}"): Page(history.explain_name, query=("ratings",), threads=1),
    ("GET", "/at"): Page(history.show_moment, query=("moment", "adapter")),
}
"""Every page by method and address; the parts in braces name something."""
