"""The fleet of containers, for real: deploy/check.sh builds the images with podman and runs what deploy/ has."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from places import ROOT

pytestmark = pytest.mark.slow

NOT_HERE = 77
"""The exit status of the script where this machine runs no containers."""


def test_the_fleet_of_containers_answers_through_an_update_and_through_kills() -> None:
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("it needs podman, and root")
    done = subprocess.run(["deploy/check.sh"], cwd=ROOT, capture_output=True, text=True, timeout=1800)
    said = done.stdout + done.stderr
    if done.returncode == NOT_HERE:
        pytest.skip(said.splitlines()[-1])
    assert done.returncode == 0, said[-4000:]
    parts = (
        "rolling update of three gateways under load",
        "one of three gateways killed under load",
        "the canary killed",
    )
    for line in (*parts, "passed"):
        assert f"check: {line}" in done.stdout, said[-4000:]
