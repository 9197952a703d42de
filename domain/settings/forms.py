"""What settings must look like that are neither figures nor words of a list: URLs, addresses, a mail server, a ramp.

What is set is in the log for good, so a value that would carry a secret is refused, with where the secret belongs.
"""

from __future__ import annotations

import re

KEY_VARIABLES = {"model.endpoint": "OPENAI_API_KEY", "teacher.endpoint": "GROKPUTER_TEACHER_KEY"}
"""The environment variable that each endpoint's key comes from."""

URL = r"https?://[^\s/@?#]+(/[^\s@?#]*)?"
"""No user, no password, no query."""

ADDRESS = r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+"
"""A mail address without a display name; no space or line break can be in it."""

NAME = r"[a-z][a-z0-9_-]{0,63}"
"""The name of a part that is looked up: our own, or a plug-in's."""

STEP = r"[1-9]\d?:[1-9]\d{0,5}(\.\d+)?(:\d{1,9})?"
"""A step of a ramp: share, evidence, seconds."""

FORMS = {
    **{
        key: (
            re.compile(URL),
            f"http:// or https:// with a host and a path alone; a key comes from {variable}, never from here",
        )
        for key, variable in KEY_VARIABLES.items()
    },
    "model.backend": (re.compile(NAME, re.ASCII), "local, openai, or the name that a plug-in has for a backend"),
    "weights.registry": (re.compile(NAME, re.ASCII), "local, or the name that a plug-in has for a registry"),
    "canary.ramp": (
        re.compile(rf"none|{STEP}( *, *{STEP})*", re.ASCII),
        "for each step a share in percent, the evidence it takes and, if wanted, the seconds at the share before it, as in "
        "30:3, 50:6:3600; or none",
    ),
    "canary.dry_run": (
        re.compile(r"none|success|rating|health|(success|rating) *, *health", re.ASCII),
        "success or rating, or health, or one of the first two, a comma and health; or none",
    ),
    "alert.webhook": (
        re.compile(f"env|{URL}"),
        "http:// or https:// with a host and a path alone; where the URL itself is a secret, it comes from "
        "GROKPUTER_WEBHOOK_URL, and this is set to env",
    ),
    "alert.email_to": (
        re.compile(rf"{ADDRESS}( *, *{ADDRESS})*", re.ASCII),
        "addresses with commas between them, as in ada@example.org, bob@example.org",
    ),
    "alert.email_from": (re.compile(ADDRESS, re.ASCII), "one address, as in grokputer@example.org"),
    "alert.smtp": (
        re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}", re.ASCII),
        "a host and a port, as in mail.example.org:587",
    ),
}
"""For each such setting its pattern, and the same in words."""
