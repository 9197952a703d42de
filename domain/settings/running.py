"""Settings of running: how a run is made, the model that makes it, the teacher and the judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..vocabulary import Backend, Observe, PlanMode, Screenshots
from .forms import (
    BACKEND,
    CHAT_TEMPLATE,
    HOSTS,
    JUDGE_ENDPOINT,
    MODEL_ENDPOINT,
    RAY_CLUSTER,
    REGISTRY,
    REGISTRY_PLACE,
    SCREEN_SIZE,
    TASK_FOLDERS,
    TEACHER_ENDPOINT,
)
from .setting import MEASURED, Group, setting

INSTRUCTIONS = "run.instructions"
CRITERIA = "judge.criteria"
TEXT_SETTINGS = {INSTRUCTIONS: "instructions", CRITERIA: "criteria"}
"""The settings whose values are texts beside the log, and what each is called."""

SMALL = ("embedded", "smollm2")
"""The models that need no quantisation."""


@dataclass(frozen=True)
class RunSettings(Group):
    """How a run is made."""

    PREFIX: ClassVar[str] = "run"

    max_steps: int = setting(
        12,
        "Actions after which a run has failed with a timeout. Steps that plan, check or read are not counted.",
        unit="actions",
        low=1,
        high=1000,
    )
    max_tokens: int = setting(256, "Longest answer of the model.", unit="tokens", low=1, high=100_000)
    temperature: float = setting(0.0, "Sampling temperature; 0 takes the likeliest token.", low=0, high=5)
    max_resamples: int = setting(
        8,
        "Further answers that are sampled where a run would repeat its last action on the same page. With an endpoint 0 "
        "unless this is set, because each sample costs a request.",
        source=MEASURED,
        unit="answers",
        low=0,
        high=100,
    )
    instructions: str | None = setting(
        None,
        "Instructions that stand before every prompt of the role: words, or a file, as @FILE or by its path. Their text is "
        "kept beside the log.",
    )
    plan: str = setting(
        PlanMode.AUTO.value,
        "Whether a run of role action begins with a plan of role decomposition. 'auto': where its environment says that the "
        "task is long, and for a task in words of several sentences. A question in words never has a plan.",
        choices=tuple(PlanMode),
    )
    max_plans: int = setting(
        3,
        "Plans that a run may make: the first, and new ones where a goal is not reached.",
        unit="plans",
        low=1,
        high=20,
    )
    max_checks: int = setting(
        12,
        "Checks of role recovery in a run, whether a goal is reached that the page does not show. After them the actor is "
        "believed.",
        unit="checks",
        low=0,
        high=1000,
    )
    observe: str = setting(
        Observe.TREE.value,
        "How a run of role action sees a screen. 'tree': by the elements that its programs tell. 'ocr': by the words on its "
        "picture, which role ocr makes lines of. 'auto': by reading where a window tells no elements. Reading needs the extra "
        "'read', and an environment with screens.",
        choices=tuple(Observe),
    )
    memory: int = setting(
        20,
        "Earlier turns of a session that a question in words is asked with; 0 asks each question by itself.",
        unit="turns",
        low=0,
        high=1000,
    )


@dataclass(frozen=True)
class LogSettings(Group):
    """What is kept of runs beside their facts."""

    PREFIX: ClassVar[str] = "log"

    screenshots: str = setting(
        Screenshots.ALL.value,
        "The steps whose pictures of the screen are kept: 'all', 'reads' (those that read a picture), or 'none'. A full "
        "screen takes about 40 kB.",
        choices=tuple(Screenshots),
    )


@dataclass(frozen=True)
class GatewaySettings(Group):
    """What the gateway keeps of the requests that it answers."""

    PREFIX: ClassVar[str] = "gateway"

    texts_percent: int = setting(
        100,
        "Share of the runs whose texts are kept: prompt, answer, functions and calls. All other facts of a run are always "
        "recorded. A run without texts can be rated, but not corrected or learnt from.",
        unit="percent",
        low=0,
        high=100,
    )


@dataclass(frozen=True)
class ModelSettings(Group):
    """The base model. A role may have one of its own at an endpoint."""

    PREFIX: ClassVar[str] = "model"
    IS_PER_ROLE: ClassVar[bool] = False
    OF_ROLES: ClassVar[tuple[str, ...]] = ("base", "endpoint")

    backend: str = setting(
        Backend.LOCAL.value,
        "Where the model runs. 'local': in this process. 'openai': at an OpenAI-compatible endpoint. 'vllm': at one or several "
        "vLLM servers, which load the adapters of this log. Or a plug-in's name.",
        form=BACKEND,
    )
    base: str = setting(
        "embedded",
        "'embedded', 'smollm2', a folder, a .gguf file, a Hugging Face name, or the endpoint's name of a model. With a role "
        "before it: the name of that role's own model at its endpoint.",
    )
    revision: str | None = setting(None, "Revision of a Hugging Face model.")
    quantization: str = setting(
        "auto",
        "How the base is held, and adapters with it. 'nf4': 4 bits. 'none': bf16. 'auto': 'none' below a billion "
        "parameters, 'nf4' from there on and for a base that is not downloaded yet.",
        source="measured: small models are better and faster unquantised",
        choices=("auto", "nf4", "none"),
    )
    chat_template: str | None = setting(
        None,
        "The chat template of a base that has none, in place of its own if it has one: a name, or a file with a Jinja "
        "template. Adapters belong to the template that they were trained with.",
        form=CHAT_TEMPLATE,
    )
    endpoint: str | None = setting(
        None,
        "Base URL of an OpenAI-compatible endpoint; of 'vllm' also several, with commas between them. The key comes from "
        "OPENAI_API_KEY. With a role before it: the endpoint of "
        "the model that makes that role's steps in runs; its key may come from a variable of the role's own, such as "
        "GROKPUTER_DECOMPOSITION_KEY.",
        form=MODEL_ENDPOINT,
    )
    weights_folder: str | None = setting(
        None,
        "Where the vLLM servers see the folder of the weights, which is events.adapters/weights beside the log events.db. "
        "Without a value they see it at the same path.",
    )
    trust_remote_code: bool = setting(False, "Run code that comes with a model of Hugging Face.")


@dataclass(frozen=True)
class RoleEndpoint:
    """The model of one role's own."""

    endpoint: str
    name: str | None
    """The model's name there; None before it is set."""

    def why_untrained(self, role: str) -> str:
        """Why no adapter of the role is trained, in one line."""
        return f"the model of role {role} runs at {self.endpoint}, not here; unset {role}.model.endpoint to train it"


@dataclass(frozen=True)
class EnvironmentSettings(Group):
    """Where the agent works."""

    PREFIX: ClassVar[str] = "environment"
    IS_PER_ROLE: ClassVar[bool] = False

    tasks: str | None = setting(
        None,
        "Folders of tasks as plain files, with commas between them. Each is an environment under its own name. A path that "
        "is not absolute begins at the folder of the log.",
        form=TASK_FOLDERS,
    )
    allow_domains: str | None = setting(
        None,
        "Hosts, with commas between them, that a task in words on a page of the web may reach beside the host of its URL. A "
        "name stands for its subdomains too.",
        form=HOSTS,
    )
    desktop_size: str = setting(
        "1024x768", "Size of the private screen of a desktop: its width and height in pixels.", form=SCREEN_SIZE
    )
    desktop_lines: int = setting(
        64,
        "Most lines of a desktop's page. Over it, what can only be read is left out first. A short page takes less time to "
        "answer and to learn from.",
        source="chosen: as many as the embedded model has numbers",
        unit="lines",
        low=20,
        high=64,
    )
    ray_address: str | None = setting(
        None,
        "The Ray cluster whose machines play the runs of gates, practice, comparisons and benchmarks: 'auto' for the one of "
        "this machine, host:port, or 'local' to start one here. Without it they are played on this machine.",
        form=RAY_CLUSTER,
    )
    ray_actors: int = setting(
        4, "Most environments that run there at once; each takes one processor.", unit="actors", low=1, high=1000
    )
    desktop_input: str = setting(
        "own",
        "Mouse and keyboard of a desktop. 'own': by the display's own means; any character can be typed. 'pyautogui': by "
        "that package, which is not part of any extra, knows one display and types ASCII alone.",
        choices=("own", "pyautogui"),
    )


@dataclass(frozen=True)
class WeightsSettings(Group):
    """Where the weights of adapters are kept."""

    PREFIX: ClassVar[str] = "weights"
    IS_PER_ROLE: ClassVar[bool] = False

    registry: str = setting("local", "'local': a folder beside the log. Or a plug-in's name.", form=REGISTRY)


REGISTRY_URL = "registry.url"


@dataclass(frozen=True)
class RegistrySettings(Group):
    """Where adapters are published, beside the weights that runs use."""

    PREFIX: ClassVar[str] = "registry"
    IS_PER_ROLE: ClassVar[bool] = False

    url: str | None = setting(
        None,
        "Where each adapter is pushed once it is registered: a folder by its whole path, s3://BUCKET/PATH, gs://BUCKET/PATH, "
        "az://CONTAINER/PATH, or hf://OWNER/NAME on the Hugging Face Hub. Keys come from the usual environment variables of "
        "each. LORA_REGISTRY_URL overrides it in one process.",
        form=REGISTRY_PLACE,
    )


@dataclass(frozen=True)
class TeacherSettings(Group):
    """A better model that is asked what should have been done."""

    PREFIX: ClassVar[str] = "teacher"

    endpoint: str | None = setting(
        None,
        "Base URL of the teacher's OpenAI-compatible endpoint. Its key comes from GROKPUTER_TEACHER_KEY.",
        form=TEACHER_ENDPOINT,
    )
    model: str | None = setting(None, "The teacher's name at its endpoint.")
    tries: int = setting(
        2, "Attempts of the teacher at each failed task without a correction.", unit="attempts", low=0, high=100
    )
    variations: int = setting(
        0,
        "Variations of each corrected run that the teacher makes before a training.",
        unit="variations",
        low=0,
        high=100,
    )


@dataclass(frozen=True)
class JudgeSettings(Group):
    """A model that grades answers which nothing else judges."""

    PREFIX: ClassVar[str] = "judge"

    endpoint: str | None = setting(
        None,
        "Base URL of the judge's OpenAI-compatible endpoint. Its key comes from GROKPUTER_JUDGE_KEY. With judge.model it turns "
        "the judge on: the worker lets it grade each answer that no person has rated.",
        form=JUDGE_ENDPOINT,
    )
    model: str | None = setting(None, "The judge's name at its endpoint.")
    criteria: str | None = setting(
        None,
        "What the judge looks at: words, or a file, as @FILE or by its path. Their text is kept beside the log. Without a "
        "value it is asked whether the answer is right, complete and to the point. 'grokputer judge prompt' prints all.",
    )
    timeout_s: float = setting(60.0, "Longest wait for a grade.", unit="seconds", low=1, high=600)
    success_stars: int = setting(
        0,
        "A grade with at least this many stars says that the answer succeeded, and one with fewer that it failed. 0: grades "
        "say nothing about success. A rollout by evidence keeps the value that it began with.",
        unit="stars",
        low=0,
        high=5,
    )
