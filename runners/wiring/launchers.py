"""The launchers of trainings for ``training.launcher``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.errors import TrainingError
from ...domain.ports import TrainingLauncher
from ...domain.settings.training import LaunchSettings
from ...domain.vocabulary import Place

if TYPE_CHECKING:
    from ...adapters.training.job import TrainingJobSpec, TrainingResult


def open_launcher(settings: LaunchSettings, place: str, name: str) -> TrainingLauncher[TrainingJobSpec, TrainingResult]:
    """The launcher at the place, for the attempt of this name. Raises ``TrainingError`` for settings that lack something."""
    if place == Place.PROCESS:
        from ...adapters.training.process import ProcessLauncher

        return ProcessLauncher()
    from ...adapters.launching.jobs import JobLauncher

    if place == Place.COMMAND:
        from ...adapters.launching.command import CommandScheduler

        commands = CommandScheduler(settings.command, settings.poll_command, settings.kill_command)
        return JobLauncher(commands, name, settings.poll_s)
    if place == Place.RAY:
        from ...adapters.launching.ray_jobs import RayJobs

        cluster = RayJobs(settings.ray_address, settings.ray_gpus, settings.ray_python)
        return JobLauncher(cluster, name, settings.poll_s)
    raise TrainingError(f"no trainings run by {place}; set training.launcher to another")
