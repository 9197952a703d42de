"""The addresses of all pages."""

from __future__ import annotations

from ....domain.vocabulary import Scope
from ..site.visit import Page
from . import adapters, alerts, failures, history, home, media, rating, rollouts, runs, settings

RATER = (Scope.RATE,)
"""Who may rate."""
ADMIN = (Scope.ADMIN,)
"""Who may decide."""

PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/"): Page(home.show_home),
    ("GET", "/runs"): Page(runs.list_runs),
    ("GET", "/runs/{run}"): Page(runs.show_run),
    ("GET", "/runs/{run}/media/{key}"): Page(media.show_media),
    ("GET", "/failures"): Page(failures.show_failures),
    ("GET", "/failures/{run}"): Page(failures.show_group),
    ("POST", "/failures/{run}"): Page(failures.train_on_group, ADMIN),
    ("GET", "/rate"): Page(rating.show_next, RATER),
    ("GET", "/rate/{run}"): Page(rating.show_form, RATER),
    ("POST", "/rate/{run}"): Page(rating.save, RATER),
    ("GET", "/rollouts"): Page(rollouts.list_rollouts),
    ("GET", "/rollouts/{adapter}"): Page(rollouts.show_rollout),
    ("POST", "/rollouts/{adapter}"): Page(rollouts.decide, ADMIN),
    ("GET", "/adapters"): Page(adapters.list_adapters),
    ("GET", "/adapters/{adapter}"): Page(adapters.show_adapter),
    ("GET", "/trainings"): Page(adapters.list_trainings),
    ("POST", "/trainings"): Page(adapters.request, ADMIN),
    ("GET", "/trainings/{training}"): Page(adapters.show_training),
    ("GET", "/alerts"): Page(alerts.list_alerts),
    ("GET", "/settings"): Page(settings.list_settings),
    ("POST", "/settings"): Page(settings.change, ADMIN),
    ("GET", "/settings/{key}"): Page(settings.show_setting),
    ("GET", "/log"): Page(history.list_events),
    ("GET", "/log/{position}"): Page(history.show_event),
    ("GET", "/why/{name}"): Page(history.explain_name),
    ("GET", "/at"): Page(history.show_moment),
}
"""Every page by method and address; the parts in braces name something."""
