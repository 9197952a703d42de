"""Writes a log, as JSON Lines, in which lora-v1 is the canary of the base and an endpoint serves all models.

python3 deploy/check/made_log.py FILE
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from command_line import output

from story import Story

with tempfile.TemporaryDirectory() as folder:
    story = Story(Path(folder) / "events.db")
    story.run()
    story.run()
    story.prove(story.train(story.ask()))
    for key, value in {
        "model.backend": "openai",
        "model.endpoint": "http://upstream:9000/v1",
        "model.base": "mock",
    }.items():
        story.set(key, value)
    output("log", "export", sys.argv[1], db=story.path)
