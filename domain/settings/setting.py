"""The declaration of a setting, the check of its values, and the groups of settings with typed fields.

Each setting is declared once, as a field of a frozen dataclass. Checks, listings, help and documents are made from that.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import GrokputerError

OPERATORS = "operators' requirements"
CHOSEN = "chosen"
MEASURED = "measured"
"""The usual sources of defaults. A reason may follow after a colon."""

WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
"""The accepted words of a setting that is true or false."""

TYPES = {"bool": bool, "int": int, "float": float, "str": str, "str | None": str}
"""The types of a setting, by the annotation of its field."""


class BadSetting(GrokputerError):
    """A setting that does not exist, or a value that it does not take."""


@dataclass(frozen=True)
class Form:
    """The form of a text: a pattern, and the same in words. ``complain`` returns what else is wrong, empty if nothing."""

    pattern: re.Pattern[str]
    words: str
    complain: Callable[[str], str] = lambda _: ""


@dataclass(frozen=True)
class Setting:
    """One setting. ``choices``, a ``form`` or the range ``low..high`` (inclusive) bound its values.

    ``None`` is allowed where it is the default.
    """

    default: Any
    help: str
    source: str
    """The source of the default: ``chosen``, ``measured``, a paper, the operators' requirements."""
    unit: str = ""
    """The unit of a number; empty for other types."""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Earlier names of choices, and the current ones. An earlier name is taken for the current one."""
    form: Form | None = None
    key: str = ""
    type: type = str
    is_per_role: bool = True
    """Whether a role can have its own value."""

    def check(self, key: str, value: Any) -> Any:
        """The value in the setting's type. Raises ``BadSetting`` with the key, the value and what is allowed."""
        if value is None or value == "":
            if self.default is None:
                return None
            raise BadSetting(f"{key} must not be empty; it takes {self.allowed()}")
        if self.form is not None and not self.form.pattern.fullmatch(str(value)):
            raise BadSetting(f"{key} must be {self.form.words}")  # without the value, which may be a secret
        try:
            typed = self._convert(value)
        except (TypeError, ValueError, OverflowError):
            raise BadSetting(f"{key} cannot be {value!r}; it takes {self.allowed()}") from None
        if not self.takes(typed):
            raise BadSetting(f"{key} cannot be {value!r}; it takes {self.allowed()}")
        if self.form is not None and (wrong := self.form.complain(typed)):
            raise BadSetting(f"{key} cannot be {value!r}: {wrong}")
        return typed

    def takes(self, value: object) -> bool:
        """Whether the value has the setting's type and is one of its choices or in its range. NaN is refused.

        A whole number is a float too; true and false are not numbers.
        """
        if self.type is float and type(value) is int:
            value = float(value)
        if type(value) is not self.type:
            return False
        if self.choices:
            return value in self.choices
        return not isinstance(value, (int, float)) or (math.isfinite(value) and self.low <= value <= self.high)

    def _convert(self, value: Any) -> Any:
        if self.type is bool:
            if str(value).lower() not in WORDS:
                raise ValueError(value)
            return WORDS[str(value).lower()]
        if self.type is str:
            return self.renamed.get(str(value), str(value))
        if isinstance(value, bool):
            raise TypeError(value)
        if isinstance(value, str) and not (value.isascii() and "_" not in value):
            raise ValueError(value)  # Python reads digits of other scripts, and 5_0, which a person did not mean
        number = float(value)
        if self.type is float:
            return number
        if number != int(number):
            raise ValueError(value)
        return int(number)

    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.type is bool:
            return "true or false"
        if self.type is str:
            return self.form.words if self.form is not None else "any text"
        kind, form = ("a whole number", ".0f") if self.type is int else ("a number", "g")
        if self.high == math.inf:
            return kind if self.low == -math.inf else f"{kind} of at least {self.low:{form}}"
        return f"{kind} from {self.low:{form}} to {self.high:{form}}"


def setting(default: Any, help: str, *, source: str = CHOSEN, **bounds: Any) -> Any:
    """A field of a group that is a setting; ``bounds`` are the other fields of ``Setting``."""
    return dataclasses.field(default=default, metadata={"setting": Setting(default, help, source, **bounds)})


@dataclass(frozen=True)
class Group:
    """Settings of one subject, as typed fields that hold the values in force."""

    PREFIX: ClassVar[str]
    """The beginning of the group's keys."""
    IS_PER_ROLE: ClassVar[bool] = True
    """Whether a role can have its own values."""
    OF_ROLES: ClassVar[tuple[str, ...]] = ()
    """The fields that a role can have a value of even so."""


def declared(group: type[Group]) -> dict[str, Setting]:
    """The settings of the group by field name."""
    return {
        field.name: dataclasses.replace(
            field.metadata["setting"],
            key=f"{group.PREFIX}.{field.name}",
            type=TYPES[str(field.type)],
            is_per_role=group.IS_PER_ROLE or field.name in group.OF_ROLES,
        )
        for field in dataclasses.fields(group)
    }
