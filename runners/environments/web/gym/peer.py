"""What runs in the Python of BrowserGym: it plays one task at a time, and is asked by lines of JSON.

It imports nothing of this program, whose libraries are of other versions. Each request is one line on stdin,
``{"do": "tasks"}``, ``{"do": "reset", "task": ..., "seed": ...}`` or ``{"do": "act", "action": ...}``, and its answer one
line on stdout; what libraries print goes to stderr. It ends with its stdin.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import pkgutil
import sys
from importlib import import_module
from typing import Any

PLAYED = ("chat", "bid", "coord", "nav", "tab")
"""The subsets of BrowserGym's actions that are used."""

STATES = ("checked", "selected", "pressed", "disabled", "expanded")
"""The properties of a node of the accessibility tree that are told."""


class Player:
    """The task that is played, and the browser that it is played in."""

    def __init__(self) -> None:
        self._gymnasium = import_module("gymnasium")
        actions = import_module("browsergym.core.action.highlevel")
        self._actions = actions.HighLevelActionSet(subsets=list(PLAYED), strict=False, multiaction=True)
        self._environment: Any = None

    def answer(self, request: dict[str, Any]) -> Any:
        """The answer to one request."""
        if request["do"] == "tasks":
            return self.tasks()
        if request["do"] == "reset":
            return self.reset(request["task"], request["seed"])
        return self.act(request["action"])

    def tasks(self) -> list[str]:
        """The names of all tasks of the packages that are installed."""
        for found in pkgutil.iter_modules(import_module("browsergym").__path__):
            with contextlib.suppress(Exception):  # a benchmark whose servers are not set up has no tasks
                import_module(f"browsergym.{found.name}")
        names = (name.removeprefix("browsergym/") for name in self._gymnasium.registry)
        return sorted(name for name in names if "." in name and "/" not in name)

    def reset(self, task: str, seed: int) -> dict[str, Any]:
        """Begin the task."""
        self.tasks()
        self.close()
        options = {"headless": True, "action_mapping": self._actions.to_python_code, "disable_env_checker": True}
        self._environment = self._gymnasium.make(f"browsergym/{task}", **options)
        seen, _ = self._environment.reset(seed=seed)
        return describe(seen)

    def act(self, action: str) -> dict[str, Any]:
        """Carry out lines of BrowserGym's actions."""
        seen, reward, is_terminated, is_truncated, _ = self._environment.step(action)
        return describe(seen, float(reward), is_done=bool(is_terminated or is_truncated))

    def close(self) -> None:
        """End the browser of the task before."""
        if self._environment is not None:
            self._environment.close()
        self._environment = None


def describe(seen: dict[str, Any], reward: float = 0.0, *, is_done: bool = False) -> dict[str, Any]:
    """What is seen, JSON-plain."""
    places = seen["extra_element_properties"]
    return {
        "goal": "\n".join(part["text"] for part in seen["goal_object"] if part.get("type") == "text"),
        "tabs": [list(pair) for pair in zip(seen["open_pages_titles"], seen["open_pages_urls"], strict=True)],
        "active": int(seen["active_page_index"][0]),
        "error": seen["last_action_error"],
        "nodes": [describe_node(node, places) for node in seen["axtree_object"]["nodes"]],
        "size": [int(side) for side in seen["screenshot"].shape[1::-1]],
        "picture": write_png(seen["screenshot"]),
        "reward": reward,
        "is_done": is_done,
    }


def describe_node(node: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    """One node of the accessibility tree, and where it lies."""
    states = {it["name"]: it.get("value", {}).get("value") for it in node.get("properties", ())}
    bid = node.get("browsergym_id")
    place = places.get(str(bid)) or {}
    return {
        "id": node["nodeId"],
        "children": node.get("childIds", []),
        "is_ignored": bool(node.get("ignored")),
        "role": str(node.get("role", {}).get("value", "")),
        "name": str(node.get("name", {}).get("value", "")),
        "value": str(node.get("value", {}).get("value", "")),
        "states": {name: states[name] for name in STATES if name in states},
        "bid": bid,
        "box": place.get("bbox"),
        "can_press": bool(place.get("clickable")),
    }


def write_png(pixels: Any) -> str:
    """The picture as PNG, in base 64."""
    file = io.BytesIO()
    import_module("PIL.Image").fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def use_browser(path: str) -> None:
    """Start this browser where Playwright has none of its own."""
    kind = import_module("playwright.sync_api").BrowserType
    launch = kind.launch

    def start(self: Any, **options: Any) -> Any:
        if not os.path.exists(self.executable_path):
            options.setdefault("executable_path", path)
        return launch(self, **options)

    kind.launch = start


def main() -> None:
    """Answer requests until stdin ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    player = None
    for line in sys.stdin:
        try:
            if player is None:
                if browser := os.environ.get("GROKPUTER_BROWSER"):
                    use_browser(browser)
                player = Player()
            said = {"answer": player.answer(json.loads(line))}
        except Exception as error:  # whatever a benchmark raises is told, in one line
            said = {"failure": " ".join(f"{type(error).__name__}: {error}".split())[:400]}
        answers.write(f"{json.dumps(said)}\n")
        answers.flush()
    if player is not None:
        player.close()


if __name__ == "__main__":
    main()
