"""The account that a desktop's processes run as: never root."""

from __future__ import annotations

import os
import pwd

from .....domain.errors import EnvironmentUnavailable
from ...sandbox.account import Account

NOBODY = "nobody"
"""The account where this program is root. The message bus of a desktop refuses a user that the system does not know, so that a
number without a name, as the shell takes it, cannot be used."""


def programs_account() -> Account:
    """This program's own account; where it is root, ``nobody``. Raises ``EnvironmentUnavailable`` without that account."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), False)
    try:
        known = pwd.getpwnam(NOBODY)
    except KeyError:
        raise EnvironmentUnavailable(
            f"the account {NOBODY!r}, which runs the programs of a desktop, is missing"
        ) from None
    return Account(known.pw_uid, known.pw_gid, True)
