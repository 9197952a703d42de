"""Scripts in ``tests/node``, which run the npm packages there against a gateway of the test's."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from gateways import Served
from places import TESTS

NODE = TESTS / "node"


def run_node(script: str, scenario: str, gateway: Served, *, key: str = "") -> Any:
    """What a scenario of the script prints, as JSON. ``make tools`` brings node and the packages."""
    environment = {**os.environ, "OPENAI_BASE_URL": gateway.url, "OPENAI_API_KEY": key or gateway.key}
    ran = subprocess.run(["node", script, scenario], cwd=NODE, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
