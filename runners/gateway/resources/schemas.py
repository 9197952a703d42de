"""The JSON Schemas of the gateway's requests and responses (draft 2020-12), by name."""

from __future__ import annotations

from typing import Any

from ....domain.rules.rating import LONGEST_COMMENT, LONGEST_CORRECTION, LONGEST_ISSUE, MOST_ISSUES
from ....domain.settings.settings import ROLES
from ....domain.vocabulary import Arm, FailureReason
from ..chat_request import LONGEST_SESSION
from .feedback import LONGEST_ID

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
RUN_ID: Schema = {
    "type": "string",
    "pattern": "^[0-9a-f]{32}$",
    "description": "A run, as in x-grokputer-run.",
}
SESSION: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_SESSION}
FEEDBACK_ID: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_ID,
    "description": "Your own id of this feedback. The same feedback under the same id counts once.",
}
MODEL: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "A role such as action, an adapter, or base.",
    "examples": [*ROLES, "base"],
}
STARS: Schema = {"type": "integer", "minimum": 1, "maximum": 5}


def ref(name: str) -> Schema:
    """The reference to a schema of this module."""
    return {"$ref": f"#/components/schemas/{name}"}


def an_object(required: tuple[str, ...], more: bool | Schema = True, **properties: Schema) -> Schema:
    """The schema of an object; ``more`` says whether it may have further fields."""
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": more,
        **({"required": [*required]} if required else {}),
    }


def or_null(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def a_list(items: Schema, **limits: int) -> Schema:
    """The schema of a list."""
    return {"type": "array", "items": items, **limits}


def one_of(*values: str) -> Schema:
    """The schema of a text that is one of these."""
    return {"type": "string", "enum": [*values]}


_FUNCTION_CALL = an_object(
    ("id", "type", "function"),
    id={"type": "string", "minLength": 1},
    type=one_of("function"),
    function=an_object(
        ("name", "arguments"), name={"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"}, arguments=TEXT
    ),
)
_CUSTOM_CALL = an_object(
    ("id", "type", "custom"),
    id={"type": "string", "minLength": 1},
    type=one_of("custom"),
    custom=an_object(("name", "input"), name={"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"}, input=TEXT),
)
_USAGE = an_object(
    ("prompt_tokens", "completion_tokens", "total_tokens"),
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    total_tokens=COUNT,
)

SCHEMAS: dict[str, Schema] = {
    "Error": an_object(
        ("error",),
        error=an_object(
            ("message", "type", "param", "code"), message=TEXT, type=TEXT, param=or_null(TEXT), code=or_null(TEXT)
        ),
    ),
    "Message": an_object(
        ("role",),
        role=one_of("system", "developer", "user", "assistant", "tool", "function"),
        content={"anyOf": [TEXT, {"type": "null"}, a_list(ref("Part"))]},
        tool_calls=a_list({"anyOf": [_FUNCTION_CALL, _CUSTOM_CALL]}),
        tool_call_id=TEXT,
        name=TEXT,
    ),
    "Part": an_object(("type",), type=one_of("text", "image_url", "input_audio", "file"), text=TEXT),
    "Tool": an_object(
        ("type", "function"),
        type=one_of("function"),
        function=an_object(
            ("name",),
            name={"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"},
            description=TEXT,
            parameters={"type": "object"},
        ),
    ),
    "ChatRequest": an_object(
        ("model", "messages"),
        model=MODEL,
        messages=a_list(ref("Message"), minItems=1),
        stream={"type": "boolean"},
        stream_options=an_object((), include_usage={"type": "boolean"}),
        tools=a_list(ref("Tool")),
        max_tokens={"type": "integer", "minimum": 1},
        max_completion_tokens={"type": "integer", "minimum": 1},
        temperature={"type": "number", "minimum": 0, "maximum": 2},
        n={"type": "integer", "minimum": 1},
        seed={"type": "integer"},
    ),
    "ChatCompletion": an_object(
        ("choices",),
        id=TEXT,
        object=TEXT,
        created={"type": "integer"},
        model=TEXT,
        choices=a_list(
            an_object(
                ("index", "message", "finish_reason"),
                index=COUNT,
                finish_reason=or_null(TEXT),
                message=an_object(
                    ("role", "content"), role=TEXT, content=or_null(TEXT), tool_calls=a_list({"type": "object"})
                ),
            )
        ),
        usage=_USAGE,
    ),
    "Model": an_object(
        ("id", "object", "created", "owned_by", "kind"),
        id=TEXT,
        object=one_of("model"),
        created=COUNT,
        owned_by=TEXT,
        kind=one_of("role", "base", "adapter"),
        parent=TEXT,
        root=TEXT,
        role=TEXT,
        status=TEXT,
    ),
    "Models": an_object(("object", "data"), object=one_of("list"), data=a_list(ref("Model"))),
    "Run": an_object(
        (
            *("run", "role", "arm", "adapter", "session", "started", "has_ended", "succeeded", "failure", "messages"),
            *("answer", "pictures", "keeps_texts", "tokens", "stars", "is_corrected"),
        ),
        run=RUN_ID,
        role=TEXT,
        arm=one_of(*Arm),
        adapter=TEXT,
        session=or_null(TEXT),
        started={"type": "string", "format": "date-time"},
        has_ended={"type": "boolean"},
        succeeded=or_null({"type": "boolean"}),
        failure=or_null(one_of(*FailureReason)),
        messages=or_null(a_list({"type": "object"})),
        answer=or_null(TEXT),
        pictures={"type": "object", "additionalProperties": or_null(TEXT)},
        keeps_texts={"type": "boolean"},
        tokens=or_null(a_list(COUNT, minItems=2, maxItems=2)),
        stars=a_list(STARS),
        is_corrected={"type": "boolean"},
    ),
    "Feedback": an_object(
        (),
        False,
        id=FEEDBACK_ID,
        run={"type": "string", "description": "The run, by its id or that of its completion."},
        session=SESSION,
        stars={"anyOf": [STARS, one_of("1", "2", "3", "4", "5")]},
        issues=a_list({"type": "string", "maxLength": LONGEST_ISSUE}, maxItems=MOST_ISSUES),
        comment={"type": "string", "maxLength": LONGEST_COMMENT},
        step={
            "type": "integer",
            "minimum": 1,
            "description": "The step that went wrong, or that the correction is for.",
        },
        correction={"type": "string", "maxLength": LONGEST_CORRECTION, "description": "The right answer."},
    ),
    "Recorded": an_object(
        (),
        False,
        run=RUN_ID,
        session=TEXT,
        runs=a_list(RUN_ID),
        stars=STARS,
        position=COUNT,
        correction=COUNT,
        is_verified={"type": "boolean"},
    ),
    "TensorZeroFeedback": an_object(
        ("metric_name", "value"),
        inference_id=TEXT,
        episode_id=SESSION,
        metric_name={"type": "string", "minLength": 1},
        value={"anyOf": [{"type": "boolean"}, {"type": "number"}, TEXT, a_list({"type": "object"})]},
        tags={"type": "object", "additionalProperties": TEXT},
        dryrun={"type": "boolean"},
    ),
    "TensorZeroRecorded": an_object(("feedback_id",), feedback_id={"type": "string", "format": "uuid"}),
    "LangfuseScore": an_object(
        ("name", "value"),
        id=FEEDBACK_ID,
        traceId=TEXT,
        observationId=TEXT,
        sessionId=SESSION,
        name={"type": "string", "minLength": 1},
        value={"anyOf": [{"type": "number"}, TEXT]},
        dataType=one_of("NUMERIC", "BOOLEAN", "CATEGORICAL", "CORRECTION"),
        comment={"type": "string", "maxLength": LONGEST_COMMENT},
        configId=TEXT,
        queueId=TEXT,
    ),
    "LangfuseRecorded": an_object(("id",), id=TEXT),
    "Health": an_object(("status",), status=one_of("live", "ready", "not ready"), problem=TEXT),
}
"""All of them. A request may have fields that are not named, unless its schema says otherwise."""
