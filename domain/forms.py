"""What settings must look like that are neither figures nor words of a list: URLs, addresses, a mail server.

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

FORMS = {
    **{
        key: (
            re.compile(URL),
            f"http:// or https:// with a host and a path alone; a key comes from {variable}, never from here",
        )
        for key, variable in KEY_VARIABLES.items()
    },
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
