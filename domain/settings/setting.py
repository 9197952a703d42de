"""One setting: its default, its range or choices, its help, and the check of a value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import GrokputerError

WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
"""What a setting that is true or false may be written as."""


class BadSetting(GrokputerError):
    """A setting that does not exist, or a value outside its range."""


@dataclass(frozen=True)
class Setting:
    """One setting. ``choices`` or the range ``low..high`` (inclusive) bound it; ``None`` is allowed where it is the default."""

    default: Any
    help: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()

    def check(self, key: str, value: Any) -> Any:
        """The value in the setting's own type. Raises ``BadSetting`` with the key, the value and what is allowed."""
        if value is None or value == "":
            if self.default is None:
                return None
            raise BadSetting(f"{key} must not be empty; it takes {self.allowed()}")
        try:
            typed = self._convert(value)
        except (TypeError, ValueError, OverflowError):
            raise BadSetting(f"{key} cannot be {value!r}; it takes {self.allowed()}") from None
        if not self.holds(typed):
            raise BadSetting(f"{key} cannot be {value!r}; it takes {self.allowed()}")
        return typed

    def holds(self, typed: Any) -> bool:
        """Whether a value of the setting's own type is one of its choices or lies in its range. NaN does not."""
        if self.choices:
            return typed in self.choices
        is_number = isinstance(typed, (int, float))
        return not is_number or (math.isfinite(typed) and self.low <= typed <= self.high)

    def _convert(self, value: Any) -> Any:
        if isinstance(self.default, bool):
            if str(value).lower() not in WORDS:
                raise ValueError(value)
            return WORDS[str(value).lower()]
        if isinstance(self.default, (int, float)) and isinstance(value, bool):
            raise TypeError(value)
        if isinstance(self.default, int):
            if float(value) != int(float(value)):
                raise ValueError(value)
            return int(float(value))
        if isinstance(self.default, float):
            return float(value)
        return str(value)

    def allowed(self) -> str:
        """In words: what values it takes."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, (int, float)):
            kind, form = ("a whole number", ".0f") if isinstance(self.default, int) else ("a number", "g")
            if self.high == math.inf:
                return kind if self.low == -math.inf else f"{kind} of at least {self.low:{form}}"
            return f"{kind} from {self.low:{form}} to {self.high:{form}}"
        return "any text"
