"""The settings: every figure that people may turn, its default, its range and where the default comes from.

A change is a fact (``PolicyChanged``), so the log knows which value was in force when. A key may be set for one role
alone by writing the role before it: ``action.training.r``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidRecipe
from .forms import FORMS
from .keys import FOR_ALL_ROLES as FOR_ALL_ROLES
from .keys import ROLES as ROLES
from .keys import role_of as role_of
from .keys import without_role as without_role
from .ramp import complain_of_first_step, complain_of_steps
from .recipe import FIGURES, Recipe, is_allowed, preset
from .setting import BadSetting as BadSetting
from .setting import Setting as Setting

SETTINGS: dict[str, Setting] = {
    # The trigger; the figures of the window are those of the project's user.
    "rating.rule": Setting(
        "sequential",
        "'sequential': a breach is evidence that the mean lies under the threshold, good at any look; 'threshold': the rolling "
        "mean of the window lies under it",
        choices=("sequential", "threshold"),
    ),
    "rating.threshold": Setting(3.8, "mean under which the role is to be improved", 1, 5),
    "rating.between_alarms": Setting(
        1000.0, "sequential: ratings between two false alarms on average, at least; fewer are faster (chosen)", 1, 1e9
    ),
    "rating.window": Setting(50, "ratings the rolling mean looks at", 1, 1000),
    "rating.minimum": Setting(10, "ratings under which the rolling mean says nothing", 1, 1000),
    "rating.cooldown": Setting(
        200, "ratings after a closed cycle before the same adapter can breach again (chosen)", 0, 1_000_000
    ),
    "rating.max_backoff": Setting(
        8, "times the cooldown at most: it doubles with each cycle that ends without a promotion (chosen)", 1, 1000
    ),
    "sessions.count": Setting(
        False,
        "count imported sessions as runs and ratings of the bare base: in its window while no adapter is live, which can lead "
        "to a training, and in status (off: they judge another program's model)",
    ),
    # The implicit rating; figures of the project's user.
    "implicit.five_under_s": Setting(10.0, "a success faster than this is worth 5", 0),
    "implicit.four_under_s": Setting(30.0, "a success faster than this is worth 4, a slower one 3", 0),
    # Running.
    "run.max_steps": Setting(12, "steps after which a run has failed with a timeout (chosen)", 1, 1000),
    "run.max_tokens": Setting(256, "longest answer, tokens (chosen)", 1, 100_000),
    "run.temperature": Setting(0.0, "sampling temperature of a run, 0 is greedy", 0, 5),
    "run.retakes": Setting(
        8, "draws for another answer where a run would do again what it has done on the same page (measured)", 0, 100
    ),
    # The model.
    "model.backend": Setting("local", "where the model runs", choices=("local", "openai")),
    "model.base": Setting("embedded", "'embedded', a path, a Hugging Face name, or the endpoint's model name"),
    "model.revision": Setting(None, "revision of a Hugging Face model"),
    "model.quantization": Setting(
        "auto",
        "how the base is held, and adapters with it: 'nf4', 'none' (bf16) or 'auto', which is nf4 for all but the embedded "
        "model, whose 10 MB are no burden (measured: it is better and faster as it is)",
        choices=("auto", "nf4", "none"),
    ),
    "model.endpoint": Setting(None, "base URL of an OpenAI-compatible endpoint; its key comes from OPENAI_API_KEY"),
    "model.trust_remote_code": Setting(False, "run code that a model repository ships"),
    # The teacher: a better model that is asked for what should have been done.
    "teacher.endpoint": Setting(
        None, "base URL of the teacher's OpenAI-compatible endpoint; its key comes from GROKPUTER_TEACHER_KEY"
    ),
    "teacher.model": Setting(None, "the teacher's name there"),
    "teacher.tries": Setting(2, "attempts of the teacher at each failed, uncorrected task (chosen)", 0, 100),
    "teacher.variations": Setting(
        0, "variations of each corrected run that the teacher makes before a training", 0, 100
    ),
    # Training; the recipe's own figures are keys of their own below.
    "training.preset": Setting("default", "where the recipe's figures come from", choices=("default", "seed")),
    "training.min_examples": Setting(5, "usable examples under which a training is declined", 1),
    "training.below_stars": Setting(4, "runs rated under this are learnt from", 2, 5),
    "training.retries": Setting(
        2, "sampled attempts at each failed, uncorrected task; successes become targets (chosen)", 0, 100
    ),
    "training.practice": Setting(
        0,
        "fresh pages of each task that failed, played before a training; failures get training.retries (chosen)",
        0,
        1000,
    ),
    "training.retry_temperature": Setting(0.8, "sampling temperature of those attempts (chosen)", 0.01, 5),
    "training.retry_exploration": Setting(
        0.5, "share of steps in the later half of them that are drawn from what the page allows (chosen)", 0, 1
    ),
    # What a training costs; the estimate before it and the account after it.
    "cost.power_watts": Setting(100.0, "what the machine draws while it trains (chosen: a desktop without a GPU)", 0),
    "cost.price_per_kwh": Setting(0.29, "price of energy (households in the EU, 2024, Eurostat)", 0),
    "cost.price_per_hour": Setting(0.0, "rent of the machine, 0 for one's own", 0),
    "cost.currency": Setting("EUR", "what the prices are in"),
    # The gate before traffic.
    "gate.enabled": Setting(True, "hold a proven adapter against its parent on held-out instances before any traffic"),
    "gate.margin": Setting(
        0.1,
        "share of what worked that may be lost (chosen: at 93 % success, an adapter no worse loses up to 7 % of instances "
        "picked because they worked)",
        0,
        0.99,
    ),
    "gate.runs": Setting(
        40,
        "held-out failures, and as many that worked, that both arms do again; fresh pages of the same tasks make up the "
        "number (chosen: a minute or two, and an adapter no worse loses more than a tenth of 40 once in 30 times)",
        1,
        10_000,
    ),
    "gate.minimum": Setting(
        10, "held-out instances under which a count says nothing (chosen: what a mean of ratings needs)", 1, 10_000
    ),
    # A/B: two adapters on the same pages; figures of the project's user.
    "ab.stars": Setting(0.3, "mean stars that B must be better by than A, or", 0, 4),
    "ab.points": Setting(10.0, "percentage points of success that it must be better by", 0, 100),
    "ab.latency_ms": Setting(500, "milliseconds a run; B must be slower than A by less", 0, 100_000),
    "ab.minimum": Setting(
        20, "pairs of runs under which nothing is said (chosen: a share of 20 is known to 20 points)", 5, 10_000
    ),
    # The canary; weight, bake, window, minimum, bars and interval are figures of the project's user.
    "canary.rule": Setting(
        "sequential",
        "'sequential': evidence that it is no worse or worse than the stable arm, good at any look; 'threshold': the bars as "
        "they are; 'relative': the bars, or no worse than the stable arm meanwhile, but for chance",
        choices=("sequential", "threshold", "relative"),
    ),
    "canary.weight_percent": Setting(15, "share of the runs that the canary gets at first", 1, 99),
    "canary.bake_s": Setting(600.0, "seconds before a canary may be promoted", 0, 1e12),
    "canary.interval_s": Setting(30.0, "seconds between two looks that no run causes", 0),
    "canary.give_up_s": Setting(604_800.0, "seconds after which it is inconclusive (chosen: a week)", 0, 1e12),
    "canary.critical_limit": Setting(
        0, "errors of the system it may have; one more rolls it back at once", 0, 1_000_000
    ),
    "canary.success_margin": Setting(0.05, "sequential: success it may be worse by (chosen: 5 points)", 0, 0.9),
    "canary.rating_margin": Setting(0.4, "sequential: mean stars it may be worse by (chosen)", 0, 3.9),
    "canary.promote_at": Setting(
        20.0, "sequential: evidence of no worse to be promoted; 1 in so many worse ones is (chosen)", 1.01, 1e9
    ),
    "canary.roll_back_at": Setting(
        20.0, "sequential: evidence of worse to be rolled back; 1 in so many equal ones is (chosen)", 1.01, 1e9
    ),
    "canary.ramp": Setting(
        "50:4",
        "sequential: larger shares, each with the evidence it takes and, after a second colon, seconds (chosen); or none. The "
        "smallest comes first, and is larger than canary.weight_percent",
    ),
    "canary.approval": Setting(
        "none",
        "what waits for a person: nothing, the promotion, or each larger share too; 'rollouts approve' lets it go on",
        choices=("none", "promotion", "every step"),
    ),
    "canary.dry_run": Setting("none", "metrics that are reported and decide nothing: success, rating, health"),
    "routing.unit": Setting(
        "session",
        "what is drawn for the canary and counts as one outcome: a whole session, which then stays on its adapter, or each "
        "run; a run without a session is one by itself. Runs of a session are alike: counted singly they prove too much",
        choices=("run", "session"),
    ),
    "canary.max_runs": Setting(800, "sequential: canary runs after which it is inconclusive (chosen)", 1, 1_000_000),
    "canary.window": Setting(20, "threshold: canary runs looked at", 1, 1000),
    "canary.min_runs": Setting(10, "threshold: canary runs under which nothing is decided", 1, 1000),
    "canary.min_success": Setting(0.95, "threshold: success rate it must exceed", 0, 1),
    "canary.min_rating": Setting(3.5, "threshold: mean rating it must exceed", 1, 5),
    "canary.min_health": Setting(0.97, "threshold: share of runs free of timeouts and system errors to exceed", 0, 1),
    # Alerts, and the channels by which people hear of them.
    "alert.mean": Setting(
        3.5,
        "mean of the live adapter's ratings under which people are alerted, once until it is a quarter star over it",
        1,
        5,
    ),
    "alert.webhook": Setting(
        None, "URL that alerts are posted to; 'env': it is a secret and comes from GROKPUTER_WEBHOOK_URL"
    ),
    "alert.email_to": Setting(None, "addresses that alerts are mailed to, with commas between them"),
    "alert.email_from": Setting(None, "address that they are mailed from; unset: the first of alert.email_to"),
    "alert.smtp": Setting(None, "the mail server, host:port"),
    "alert.smtp_security": Setting(
        "starttls",
        "how the connection to it is encrypted; 'none' takes no user name",
        choices=("starttls", "tls", "none"),
    ),
    "alert.smtp_user": Setting(None, "user name there; its password comes from GROKPUTER_SMTP_PASSWORD"),
    "alert.timeout_s": Setting(
        15.0, "seconds that an attempt may take (Standard Webhooks 1.0.0 recommends 15 to 30)", 0.1, 60
    ),
    "alert.tries": Setting(10, "attempts after which an alert is given up on a channel (chosen: three days)", 1, 100),
    "alert.retry_s": Setting(
        10.0, "seconds to the second attempt; each further wait is four times the last, up to a day (chosen)", 1, 86_400
    ),
}

RECIPE_KEYS = tuple(name for name in FIGURES if name != "quantization")
"""Figures of the recipe that a setting ``training.<key>`` overrides: all but how the base is held, which is
``model.quantization``, since an adapter is trained on the base as it is served."""

RECIPE_SETTINGS = {f"training.{name}": FIGURES[name] for name in RECIPE_KEYS}
"""Those settings, as the recipe declares them. Unset, a figure is the preset's own."""


def check_setting(key: str, value: Any) -> Any:
    """The value in its own type. Raises ``BadSetting`` for an unknown key or a value out of range."""
    check_key(key)
    bare = without_role(key)
    if bare in FORMS and value and not FORMS[bare][0].fullmatch(str(value)):
        raise BadSetting(f"{key} must be {FORMS[bare][1]}")  # without the value, which may be a secret
    if bare == "canary.ramp" and value and (wrong := complain_of_steps(str(value))):
        raise BadSetting(f"{key} cannot be {value!r}: {wrong}")
    if bare in SETTINGS:
        return SETTINGS[bare].check(key, value)
    return None if value in (None, "") else RECIPE_SETTINGS[bare].check(key, value)


def check_key(key: str) -> None:
    """Raises ``BadSetting`` where there is no such setting, or none for one role alone."""
    bare = without_role(key)
    if bare != key and bare.startswith(FOR_ALL_ROLES):
        raise BadSetting(f"{key} cannot be set for one role alone; set {bare}")
    if bare not in SETTINGS and bare not in RECIPE_SETTINGS:
        raise BadSetting(f"{key} is not a setting; see 'grokputer settings'")


def check_together(policy: Policy, bare: str) -> None:
    """Raises ``BadSetting`` where a changed ramp, but for the default one, does not begin over the first share."""
    for role in (None, *ROLES) if bare in ("canary.ramp", "canary.weight_percent") else ():
        ramp, weight = policy.get("canary.ramp", role), policy.get("canary.weight_percent", role)
        wrong = complain_of_first_step(ramp, weight) if ramp != SETTINGS["canary.ramp"].default else ""
        if wrong:
            raise BadSetting(f"canary.ramp {ramp}{f' of role {role}' if role else ''} {wrong}")


def is_setting(key: str) -> bool:
    """Whether there is such a setting, for all roles or, with a role before it, for one."""
    bare = without_role(key)
    if bare != key and bare.startswith(FOR_ALL_ROLES):
        return False
    return bare in SETTINGS or bare in RECIPE_SETTINGS


@dataclass(frozen=True)
class Policy:
    """The settings in force at one moment: what was changed, over the defaults."""

    changed: Mapping[str, Any] = field(default_factory=dict)

    def get(self, key: str, role: str | None = None) -> Any:
        """The value for the role, else for all, else the default (None for an unset recipe figure)."""
        return self.find(key, role)[1]

    def find(self, key: str, role: str | None = None) -> tuple[str, Any]:
        """The setting that is in force for the role, by its full key, and its value."""
        if role is not None and f"{role}.{key}" in self.changed:
            return f"{role}.{key}", self.changed[f"{role}.{key}"]
        if key in self.changed:
            return key, self.changed[key]
        return key, SETTINGS[key].default if key in SETTINGS else None

    @property
    def quantization(self) -> str:
        """How the base is held: ``nf4`` or ``none``."""
        chosen: str = self.get("model.quantization")
        if chosen != "auto":
            return chosen
        return "none" if self.get("model.base") == "embedded" else "nf4"

    def recipe_changes(self, role: str) -> dict[str, Any]:
        """The recipe figures that were set, the role's own before the general ones."""
        return {key: value for key in RECIPE_KEYS if (value := self.get(f"training.{key}", role)) is not None}

    def preset_figure(self, key: str, role: str | None = None) -> Any:
        """The value that ``training.<figure>`` has where it is not set: the one of the preset in force."""
        return preset(self.get("training.preset", role), role).to_json()[key.removeprefix("training.")]

    def recipe_figures(self, role: str) -> dict[str, Any]:
        """Every figure of the recipe in force for the role: its preset's, with those that were set. None of them is checked."""
        figures = preset(self.get("training.preset", role), role).to_json()
        return {**figures, "quantization": self.quantization, **self.recipe_changes(role)}


def resolve_recipe(policy: Policy, role: str) -> Recipe:
    """The recipe in force for the role. Raises ``InvalidRecipe`` that names each setting that is out of range.

    ``Settings.change`` lets no such value in; a log that an older program wrote may hold one.
    """
    faults = [
        f"{key} is {value!r}, and takes {FIGURES[name].allowed()}"
        for name in policy.recipe_changes(role)
        for key, value in [policy.find(f"training.{name}", role)]
        if not is_allowed(name, value)
    ]
    if faults:
        raise InvalidRecipe(f"no adapter can be trained for role {role}: {'; '.join(faults)}; change the setting")
    return Recipe.from_json(policy.recipe_figures(role))


def _recipe_fault(policy: Policy, role: str) -> str:
    """Why there is no recipe for the role, empty where there is one."""
    try:
        resolve_recipe(policy, role)
    except InvalidRecipe as error:
        return str(error)
    return ""
