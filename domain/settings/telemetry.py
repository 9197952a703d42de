"""Settings of what is exported while the program runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .forms import OTLP_ENDPOINT
from .setting import Group, setting


@dataclass(frozen=True)
class TelemetrySettings(Group):
    """Where runs are exported to as traces."""

    PREFIX: ClassVar[str] = "telemetry"
    IS_PER_ROLE: ClassVar[bool] = False

    otlp_endpoint: str | None = setting(
        None,
        "Base URL of an OpenTelemetry collector, as in http://localhost:4318. 'grokputer serve' exports each run that ends "
        "from then on as a trace, by OTLP over HTTP. Headers with a key come from OTEL_EXPORTER_OTLP_HEADERS.",
        form=OTLP_ENDPOINT,
    )
