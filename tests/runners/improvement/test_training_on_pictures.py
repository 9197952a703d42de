"""A training on a log's runs with pictures: its dataset brings them, its process checks them, its adapter is proven."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_base import quiet_libraries
from tiny_vision import COLORS, QUESTION, draw_square

import grokputer
from grokputer.adapters.data.examples import read_examples
from grokputer.adapters.data.media_files import keys_in_examples, read_media
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.events import TrainingCompleted
from grokputer.domain.page.media import read_url
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.trainings import run_training
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import adapters_folder
from grokputer.runners.use_cases.settings import change_setting
from grokputer.runners.use_cases.trainings import request_training
from grokputer.runners.wiring.services import Services

SETTINGS = {
    "model.quantization": "none",
    "run.max_tokens": "4",
    "training.min_examples": "1",
    "training.retries": "0",
    "training.epochs": "2",
    "training.held_out_share": "0",
}


@pytest.mark.slow
def test_corrected_runs_with_pictures_are_trained_on_in_a_process_of_its_own(vision_base: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    ledger = Ledger.create(path)
    for key, value in {"model.base": str(vision_base), **SETTINGS}.items():
        change_setting(ledger, key, value, actor="ada")
    ledger.close()
    pictures = {draw_square(color, at): color for color in COLORS for at in (0, 20)}
    with quiet_libraries(), grokputer.open(path) as log:
        for url, color in pictures.items():
            run = log.run(QUESTION, environment="chat", images=[read_url(url)[1]]).run
            log.rate(run, 1)
            log.correct(run, color)
    ledger = Ledger.open(path)
    id = request_training(ledger, "action", reason="try", actor="ada").training
    with quiet_libraries(), Services(ledger, process_new_events(ledger)) as services:
        job = run_training(ledger, services, id, lambda progress: None, lambda line: None)
    over = ledger.get(TrainingJob, job.id).over
    assert isinstance(over, TrainingCompleted), over
    assert (over.examples, over.left_out) == (4, 0)
    folder = adapters_folder(path) / "trainings" / id.hex
    examples = read_examples(folder / "dataset.jsonl")
    kept = read_media(folder / "media", keys_in_examples(examples))
    assert sorted(kept.values()) == sorted(pictures)
    ledger.close()
