"""The environment variables of a training process, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping

from .job import TrainingJobSpec


def surroundings(job: TrainingJobSpec, given: Mapping[str, str]) -> dict[str, str]:
    """The given environment with no telemetry, no network for a local base, and one GPU.

    With several GPUs, transformers would put a copy of the model on each. Growing segments reduce memory fragmentation.
    """
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"} if job.base.is_local else {}
    # Beside the job's folder, which is removed when the weights are stored.
    shown = {"TENSORBOARD_LOGGING_DIR": str(job.directory.resolve().parent / "tensorboard")}
    return {
        **(shown if job.report_to == "tensorboard" else {}),
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        **given,
        **quiet,
        **offline,
        "CUDA_VISIBLE_DEVICES": given.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0],
    }
