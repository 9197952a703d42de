"""The house rules that a machine can keep: who may import whom, and what no reader pays for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT, TESTS

from grokputer.domain import ports

STANDARD = set(sys.stdlib_module_names)
MAY_IMPORT = {
    "domain": {"domain"},
    "projections": {"domain", "projections"},
    "adapters": {"domain", "adapters"},
    "runners": {"domain", "projections", "adapters", "runners"},
    "api": {"domain", "projections", "runners", "api"},
}
FLOORS = {
    "domain": {
        "errors": (),
        "durations": (),
        "merkle": (),
        "text": ("errors",),
        "vocabulary": (),
        "verdict": (),
        "settings": ("errors", "vocabulary"),
        "page": ("errors", "text"),
        "events": ("vocabulary",),
        "evidence": ("durations", "errors", "settings", "verdict", "vocabulary"),
        "ab": ("settings", "verdict", "evidence", "vocabulary"),
        "rules": ("durations", "errors", "events", "evidence", "page", "settings", "verdict", "vocabulary"),
        "aggregates": ("ab", "errors", "events", "evidence", "page", "rules", "settings", "verdict", "vocabulary"),
        "process": ("aggregates", "errors", "events", "evidence", "rules", "settings", "verdict", "vocabulary"),
        "ports": ("aggregates", "errors", "events", "page"),
    },
    "projections": {
        "state": (),
        "tables": ("state",),
        "wording": ("state",),
        "explain": ("state", "wording"),
        "bench": (),
    },
    "adapters": {
        "data": (),
        "registry": (),
        "vision": (),
        "endpoint": (),
        "serving": ("endpoint", "registry", "vision"),
        "fleet": ("registry", "serving"),
        "training": ("data", "registry", "serving", "vision"),
        "launching": ("data", "registry", "serving", "training"),
        "tuning": ("data", "serving"),
        "publishing": ("registry", "serving"),
    },
    "runners": {
        "store": (),
        "environments": (),
        "agent": ("store",),
        "alerts": ("store",),
        "archive": ("store",),
        "explain": ("store",),
        "sessions": ("environments", "store"),
        "wiring": ("alerts", "environments", "store"),
        "feedback": ("agent", "store"),
        "lessons": ("agent", "environments", "feedback", "store", "wiring"),
        "improvement": ("agent", "alerts", "feedback", "lessons", "store", "wiring"),
        "use_cases": (
            *("agent", "archive", "environments", "explain", "feedback", "improvement", "lessons"),
            *("sessions", "store", "wiring"),
        ),
        "bench": ("agent", "environments", "feedback", "improvement", "store", "use_cases", "wiring"),
        "gateway": (
            *("agent", "environments", "explain", "feedback", "improvement", "store", "use_cases"),
            "wiring",
        ),
        "console": (
            *("agent", "alerts", "archive", "bench", "environments", "explain", "gateway"),
            *("feedback", "improvement", "lessons", "sessions", "store", "use_cases", "wiring"),
        ),
    },
}
"""The rooms of each of the four, from the ground up, and the neighbours that each may import."""

MOST_MODULES = 15

PARTS = {
    "Web",
    "Browse",
    "LocalModel",
    "RemoteModel",
    "VllmModel",
    "WeightStore",
    "ProcessLauncher",
    "JobLauncher",
    "CommandScheduler",
    "RayJobs",
    "TuningLauncher",
    "MiniWob",
    "Chat",
    "Shell",
    "Desktop",
    "Bfcl",
    "Bubblewrap",
    "Landlock",
}
"""The classes behind the ports."""

PORTS = {
    member
    for port in vars(ports).values()
    if isinstance(port, type) and port.__dict__.get("_is_protocol")
    for member in vars(port)
    if not member.startswith("_")
} - {"model"}
"""What the ports name, but for a word that every library has."""

LOOK_UP_BY_A_VARIABLE = {
    "domain/aggregates/comparison.py",
    "domain/events/base.py",
    "domain/evidence/terms.py",
    "domain/settings/recipe.py",
    "projections/explain/tree.py",
    "projections/wording/words.py",
    "projections/tables/comparisons.py",
    "projections/tables/tables.py",
    "runners/archive/erasure.py",
    "runners/bench/drawing.py",
    "runners/console/rollouts/ab.py",
    "runners/console/rollouts/ab_report.py",
    "runners/console/streams.py",
    "runners/feedback/reviewer.py",
    "runners/improvement/repeated_decisions.py",
    "runners/sessions/comparing.py",
    "runners/store/texts/content.py",
    "runners/store/texts/words.py",
    "runners/wiring/plugins.py",
}
"""Modules that read a field of an event or a value by a variable name, or load a plug-in. A part's method is never found so."""

ENVIRONMENTS = {"browse", "chat", "desktop", "miniwob", "shell", "web"}
MAY_NAME_ENVIRONMENTS = ("runners/environments/", "runners/store/codec.py", "domain/settings/")
NAME_OTHER_THINGS = (
    "runners/wiring/extras.py",
    "runners/console/upkeep/doctor.py",
    "runners/console/upkeep/packages.py",
    "runners/gateway/metrics/folded.py",
)
"""These name the package ``miniwob``, the extras ``shell`` and ``desktop``, and OpenTelemetry's ``chat``, not environments."""

HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "bitsandbytes", "openai", "accelerate"}


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imports(path: Path, *, only_at_import: bool = False) -> set[str]:
    """Imported names as dotted paths from the root; relative ones resolved. TYPE_CHECKING blocks cost and bind nothing."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    package = path.relative_to(ROOT).parent.parts

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if only_at_import and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            found.add(name or ".")
            if node.module is None:
                found.update(".".join([*base, alias.name]) for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    rooms = set(MAY_IMPORT)
    for path in modules(room):
        for name in imports(path):
            top = name.split(".")[0]
            assert top not in rooms or top in MAY_IMPORT[room], f"{path.relative_to(ROOT)} imports {name}"
            assert top != "grokputer", f"{path.relative_to(ROOT)} imports itself by name"


def room_of(parts: list[str]) -> str:
    return parts[0].removesuffix(".py") if parts else ""


@pytest.mark.parametrize("top", FLOORS)
def test_every_room_imports_only_the_neighbours_that_the_walls_allow(top: str) -> None:
    for path in modules(top):
        room = room_of(list(path.relative_to(ROOT / top).parts))
        if room == "__init__":
            continue
        assert room in FLOORS[top], f"{top}/{room} is a room that no wall names"
        for name in imports(path):
            parts = name.split(".")
            if len(parts) > 1 and parts[0] == top and parts[1] != room:
                assert parts[1] in FLOORS[top][room], f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("top", FLOORS)
def test_no_room_imports_a_room_above_it(top: str) -> None:
    seen: set[str] = set()
    for room, allowed in FLOORS[top].items():
        assert set(allowed) <= seen, f"{top}/{room} may import {set(allowed) - seen}, which stand above it"
        seen.add(room)


def test_no_modules_import_each_other_in_a_circle() -> None:
    paths = [path for top in MAY_IMPORT for path in modules(top)]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    imported = {name: {it for it in imports(path) if it in names and it != name} for name, path in names.items()}
    while imported:  # take away what imports nothing that is left, until nothing can be taken
        done = {name for name, found in imported.items() if not found & imported.keys()}
        assert done, f"these modules import each other: {sorted(imported)}"
        imported = {name: found for name, found in imported.items() if name not in done}


def test_no_room_has_more_modules_on_its_own_floor_than_a_reader_takes_in() -> None:
    for top in MAY_IMPORT:
        for folder in {path.parent for path in modules(top)}:
            rooms = [path for path in folder.iterdir() if path.suffix == ".py" and path.stem != "__init__"]
            rooms += [path for path in folder.iterdir() if (path / "__init__.py").is_file()]
            assert len(rooms) <= MOST_MODULES, f"{folder.relative_to(ROOT)} has {len(rooms)} rooms"


def test_the_domain_imports_the_standard_library_and_itself_alone() -> None:
    for path in modules("domain"):
        for name in imports(path):
            top = name.split(".")[0]
            assert top in STANDARD | {"domain"}, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("room", ["domain", "projections"])
def test_there_is_no_clock_no_chance_and_no_disk_in_domain_and_projections(room: str) -> None:
    for path in modules(room):
        found = imports(path)
        assert not found & {"time", "random", "os", "pathlib", "sqlite3", "secrets", "socket", "subprocess"}, path
        text = path.read_text(encoding="utf-8")
        for word in (".now(", ".today(", "uuid4"):
            assert word not in text, f"{path.relative_to(ROOT)} has {word}"
        calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "open"], path


@pytest.mark.parametrize("room", [*MAY_IMPORT, "."])
def test_no_module_loads_a_machine_learning_library_when_it_is_imported(room: str) -> None:
    paths = modules(room) if room != "." else [ROOT / "cli.py"]
    for path in paths:
        loaded = {name.split(".")[0] for name in imports(path, only_at_import=True)}
        assert not loaded & HEAVY, f"{path.relative_to(ROOT)} loads {loaded & HEAVY}"


def test_importing_the_package_loads_none_of_it() -> None:
    program = "import sys, grokputer; print([it for it in sys.modules if it.startswith('grokputer.')])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert shown.stdout.strip() == "[]"


def test_the_python_api_stands_on_the_use_cases_and_not_on_the_command_line() -> None:
    for path in modules("api"):
        for name in imports(path):
            assert not name.startswith(("runners.console", "cli")), f"{path.relative_to(ROOT)} imports {name}"


def test_the_command_line_leaves_recording_to_the_use_cases() -> None:
    for path in modules("runners/console"):
        assert "runners.improvement.process_manager" not in imports(path), f"{path.relative_to(ROOT)} follows by itself"
        text = path.read_text(encoding="utf-8")
        assert not [word for word in ("ledger.write(", "ledger.store(", "ledger.put(") if word in text], path


def test_no_use_case_imports_a_machine_learning_library_or_the_command_line() -> None:
    for path in modules("runners/use_cases"):
        assert not {"typer", "rich", *HEAVY} & {name.split(".")[0] for name in imports(path)}, path


def test_reading_the_log_loads_none_either() -> None:
    program = (
        "import sys, grokputer.cli, grokputer.runners.store.states, grokputer.runners.improvement.worker, "
        "grokputer.runners.explain.page, grokputer.runners.console.history.why, grokputer.runners.console.history.lineage; "
        f"print(sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert shown.stdout.strip() == "[]"


def test_modules_are_one_noun_each_and_fit_a_sitting() -> None:
    for room in MAY_IMPORT:
        for path in modules(room):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, f"{path.relative_to(ROOT)} is too long"
            assert not {"utils", "util", "helpers", "helper", "manager", "misc", "common"} & {path.stem}


def calls(path: Path, *names: str) -> list[ast.Call]:
    """The calls of these built-in functions with two arguments or more."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [it for it in nodes if isinstance(it.func, ast.Name) and it.func.id in names and len(it.args) > 1]


@pytest.mark.parametrize("top", MAY_IMPORT)
def test_no_code_asks_which_class_a_part_is_of(top: str) -> None:
    for path in modules(top):
        for call in calls(path, "isinstance", "issubclass"):
            named = {it.id for it in ast.walk(call.args[1]) if isinstance(it, ast.Name)}
            assert not named & PARTS, f"{path.relative_to(ROOT)}:{call.lineno} asks for {named & PARTS}; ask the port"


@pytest.mark.parametrize("top", MAY_IMPORT)
def test_no_code_looks_for_a_method_that_a_port_names(top: str) -> None:
    assert {"complete_many", "is_on_gpu", "close", "names", "load", "score", "demonstrate"} <= PORTS
    for path in modules(top):
        for call in calls(path, "getattr", "hasattr"):
            name, place = call.args[1], path.relative_to(ROOT).as_posix()
            assert isinstance(name, ast.Constant) or place in LOOK_UP_BY_A_VARIABLE, (
                f"{place}:{call.lineno} looks for a name that no reader sees; name it, or list the module"
            )
            is_port = isinstance(name, ast.Constant) and name.value in PORTS
            assert not is_port, (
                f"{path.relative_to(ROOT)}:{call.lineno} looks for a method; the port has it or names it"
            )


@pytest.mark.parametrize("top", MAY_IMPORT)
def test_parts_are_chosen_in_wiring_alone(top: str) -> None:
    """Who needs one kind of part for good, such as a backup the folder of weights, may name its class."""
    for path in modules(top):
        place = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        for model in ("LocalModel", "RemoteModel"):
            is_own = place.startswith(("adapters/serving/", "adapters/fleet/", "runners/wiring/"))
            assert is_own or model not in text, f"{place} names {model}; ask for a port"


@pytest.mark.parametrize("top", MAY_IMPORT)
def test_no_code_compares_an_environment_by_its_name(top: str) -> None:
    for path in modules(top):
        place = path.relative_to(ROOT).as_posix()
        if place.startswith(MAY_NAME_ENVIRONMENTS) or place in NAME_OTHER_THINGS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_name = isinstance(node, ast.Constant) and node.value in ENVIRONMENTS
            assert not is_name, f"{place}:{node.lineno} names an environment; ask what it offers"  # type: ignore[attr-defined]


# --- the tests themselves --------------------------------------------------------------------------------------------

OTHER_TESTS = {"docs", "stories", "support"}
"""Folders of tests that are no rooms of the package."""

LONGEST_NAME = 90
"""Characters of a test's name: a sentence that fits a line of a report."""


def test_the_tests_of_a_room_lie_in_the_folder_of_that_room() -> None:
    for path in modules("tests"):
        folder = path.relative_to(TESTS).parent
        is_room = (ROOT / folder).is_dir() or folder.parts[0] in OTHER_TESTS
        assert is_room, f"{path.relative_to(ROOT)}: the package has no room {folder}"
        is_test = path.stem.startswith("test_")
        is_shared = folder.name == "support" or path.stem == "conftest"
        assert is_test != is_shared, (
            f"{path.relative_to(ROOT)}: tests are named test_*, what they share is in tests/support"
        )


def test_test_modules_fit_a_sitting_and_share_by_support_alone() -> None:
    for path in modules("tests"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, f"{path.relative_to(ROOT)} is too long"
        shared = {name for name in imports(path) if name.split(".")[-1].startswith("test_")}
        assert not shared, f"{path.relative_to(ROOT)} imports {shared}; what tests share lies in tests/support"


def test_names_of_tests_are_sentences_that_fit_a_line() -> None:
    for path in modules("tests"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert len(node.name) < LONGEST_NAME, f"{path.relative_to(ROOT)}:{node.lineno} has a long name"
