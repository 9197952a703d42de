"""A conversation as tokens: the one place that renders prompts and answers, for training and serving.

The template is the model's own. It writes the first token of the text itself, so the tokenizer adds none. Only the
template writes control tokens: a question or a page that contains the text of one is tokenized as plain text
(``plain_text.py``).

Tools are rendered by the template where it knows them, and as text where it does not (``domain/page/tool_text.py``). Ids
of calls are numbered, because they are drawn at random and teach nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ...domain.errors import ModelError
from ...domain.page.media import marks_in, split_parts
from ...domain.page.messages import Message
from ...domain.page.tool_text import TITLE, write_answer, write_turns
from ...domain.page.tools import Tool, ToolCall, arguments_of, write_call
from .plain_text import break_tokens, continue_tokens, find_seam, join_tokens, special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MARK = "answer"
"""The answer's text where only the template around it matters."""


def prompt_tokens(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    tools: Sequence[Tool] = (),
    shown: Collection[str] = (),
) -> list[int]:
    """The token ids before the answer. Raises ``ModelError`` for turns that the template refuses.

    The marks of pictures with the keys ``shown`` become what the template writes for a picture; other marks stay text.
    """
    seam = find_seam(_texts(messages, tools))
    return join_tokens(tokenizer, _render_prompt(tokenizer, messages, tools, seam, shown), seam)


def answer_tokens(
    tokenizer: PreTrainedTokenizerBase,
    answer: str,
    calls: Sequence[ToolCall] = (),
    *,
    messages: Sequence[Message] = (),
    tools: Sequence[Tool] = (),
) -> list[int]:
    """The token ids of an answer after the prompt, with the token that ends its turn.

    ``messages`` and ``tools`` are the prompt's; an answer without calls needs neither. Raises ``ModelError`` where the
    template does not write the calls after that prompt.
    """
    if calls and knows_tools(tokenizer):
        return _native_answer(tokenizer, answer, calls, messages, tools)
    seam = find_seam([answer, *_call_texts(calls)])
    text = break_tokens(tokenizer, write_answer(answer, calls, seam), seam, "assistant")
    return [*join_tokens(tokenizer, text, seam), turn_end(tokenizer)]


_KNOWN: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[str, bool]] = WeakKeyDictionary()


def knows_tools(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the template writes definitions, calls and results; cached."""
    template = str(tokenizer.chat_template)
    known = _KNOWN.get(tokenizer)
    if known is None or known[0] != template:
        known = _KNOWN[tokenizer] = (template, _writes_tools(tokenizer))
    return known[1]


def _writes_tools(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether all parts of a conversation with tools are in its text."""
    schema = {"type": "object", "properties": {"x": {"type": "string", "description": "x"}}, "required": ["x"]}
    offered = {"name": "offered_function", "description": "An offer.", "parameters": schema}
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": "question"},
        _native_call("", [write_call("called_function", {"x": "given_argument"})], ["call00001"]),
        {"role": "tool", "content": "given_result", "tool_call_id": "call00001", "name": "called_function"},
    ]
    try:
        text = _apply(
            tokenizer, turns, {"tools": [{"type": "function", "function": offered}], "add_generation_prompt": True}
        )
    except Exception:  # the template's refusal, an exception of the template engine
        return False
    return all(part in text for part in ("offered_function", "called_function", "given_argument", "given_result"))


def _render_prompt(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    tools: Sequence[Tool],
    seam: str,
    shown: Collection[str] = (),
) -> str:
    """The text before the answer, with seams."""
    has_tools = bool(tools) or any(message["role"] == "tool" or message.get("tool_calls") for message in messages)
    if has_tools and knows_tools(tokenizer):
        turns = _native_turns(tokenizer, messages, seam, shown)
        return _render(tokenizer, turns, add_generation_prompt=True, **_native_tools(tokenizer, tools, seam))
    plain = write_turns(messages, tools, seam) if has_tools else messages
    broken: list[dict[str, Any]] = [
        {"role": turn["role"], "content": _content(tokenizer, turn["content"], seam, turn["role"], shown)}
        for turn in plain
    ]
    return _render(tokenizer, broken, holding=TITLE if tools else "", add_generation_prompt=True)


def _native_answer(
    tokenizer: PreTrainedTokenizerBase,
    answer: str,
    calls: Sequence[ToolCall],
    messages: Sequence[Message],
    tools: Sequence[Tool],
) -> list[int]:
    """The answer as the template writes it: what the whole conversation has after the prompt."""
    last: Message = {"role": "assistant", "content": answer, "tool_calls": list(calls)}
    conversation = [*messages, last]
    seam = find_seam(_texts(conversation, tools))
    turns = _native_turns(tokenizer, conversation, seam)
    options = _native_tools(tokenizer, tools, seam)
    before = _render(tokenizer, turns[:-1], add_generation_prompt=True, **options)
    whole = _render(tokenizer, turns, **options)
    if not whole.startswith(before):
        raise ModelError("the model's chat template writes no call after this prompt")
    tokens = continue_tokens(tokenizer, whole[len(before) :].rstrip(), seam)
    is_ended = bool(tokens) and tokens[-1] in special_tokens(tokenizer)
    return tokens if is_ended else [*tokens, turn_end(tokenizer)]


def _content(
    tokenizer: PreTrainedTokenizerBase, text: str, seam: str, role: str, shown: Collection[str]
) -> str | list[dict[str, Any]]:
    """The content as templates take it: a text with seams, or a list of parts where it shows pictures."""
    if not any(key in shown for _, key in marks_in(text)):
        return break_tokens(tokenizer, text, seam, role)
    parts = split_parts(text, dict.fromkeys(shown, "data:image/any;base64,"))
    return [
        {"type": "text", "text": break_tokens(tokenizer, part["text"], seam, role)}
        if part["type"] == "text"
        else {"type": "image"}
        for part in parts
    ]


def _native_turns(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], seam: str, shown: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The conversation as templates take it: arguments are objects, and each result has its function's name."""
    turns: list[dict[str, Any]] = []
    numbered: dict[str, tuple[str, str]] = {}
    count = 0
    for message in messages:
        content = _content(tokenizer, message["content"], seam, message["role"], shown)
        turn: dict[str, Any] = {"role": message["role"], "content": content}
        if calls := message.get("tool_calls"):
            ids = [f"call{number:05d}" for number in range(count + 1, count + len(calls) + 1)]
            count += len(calls)
            turn = _native_call(content, calls, ids)
            turn["tool_calls"] = _break_deep(tokenizer, turn["tool_calls"], seam)
            numbered = {call["id"]: (id, call["function"]["name"]) for call, id in zip(calls, ids, strict=True)}
        if message["role"] == "tool":
            given = message["tool_call_id"]
            turn["tool_call_id"], turn["name"] = numbered.get(given, (given, message.get("name", "")))
        turns.append(turn)
    return turns


def _native_call(content: Any, calls: Sequence[ToolCall], ids: Sequence[str]) -> dict[str, Any]:
    written = [
        {"id": id, "type": "function", "function": {"name": call["function"]["name"], "arguments": arguments_of(call)}}
        for call, id in zip(calls, ids, strict=True)
    ]
    return {"role": "assistant", "content": content, "tool_calls": written}


def _native_tools(tokenizer: PreTrainedTokenizerBase, tools: Sequence[Tool], seam: str) -> dict[str, Any]:
    return {"tools": _break_deep(tokenizer, list(tools), seam)} if tools else {}


def _break_deep(tokenizer: PreTrainedTokenizerBase, value: Any, seam: str) -> Any:
    """The value with seams in all its texts; as in a turn of the user, since none of it is the model's own mark."""
    if isinstance(value, str):
        return break_tokens(tokenizer, value, seam, "user")
    if isinstance(value, dict):
        return {_break_deep(tokenizer, key, seam): _break_deep(tokenizer, inner, seam) for key, inner in value.items()}
    return [_break_deep(tokenizer, inner, seam) for inner in value] if isinstance(value, list) else value


def _texts(messages: Sequence[Message], tools: Sequence[Tool] = ()) -> Iterator[str]:
    """All texts of the conversation, at any depth."""
    for message in messages:
        yield message["content"]
        yield from _call_texts(message.get("tool_calls", ()))
    yield from _texts_in(list(tools))


def _call_texts(calls: Sequence[ToolCall]) -> Iterator[str]:
    for call in calls:
        yield from _texts_in(arguments_of(call))


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from _texts_in(list(value.values()))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)


def turn_end(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that the template writes after an answer; the end-of-text token where it writes none."""
    rendered = _render(tokenizer, [{"role": "user", "content": "question"}, {"role": "assistant", "content": MARK}])
    after = tokenizer(rendered.rpartition(MARK)[2].strip(), add_special_tokens=False)["input_ids"]
    end: int | None = after[0] if after and after[0] in special_tokens(tokenizer) else tokenizer.eos_token_id
    if end is None:
        raise ModelError(
            "the model's tokenizer has no token that ends an answer; use one that was made for conversations"
        )
    return end


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The token ids that end an answer: those of the template, the tokenizer and the model's generation config."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    several = configured if isinstance(configured, list) else [configured]
    tokens = [*several, tokenizer.eos_token_id, turn_end(tokenizer)]
    return frozenset(token for token in tokens if token is not None)


def _render(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[dict[str, Any]], *, holding: str = "", **options: Any
) -> str:
    """The conversation as text. Where the template has no system turn (Gemma, Mistral), it moves into the first user turn.

    So it does where the template leaves out the system's words, and ``holding`` is one of them.
    """
    refusal: Exception | str = f"it leaves out {holding!r} of the system"
    for attempt in (list(turns), _without_system(turns)):
        try:
            rendered = _apply(tokenizer, attempt, options)
        except Exception as error:  # the template's refusal, an exception of the template engine
            refusal = error
        else:
            if holding in rendered:
                return rendered
    raise ModelError(f"the model's chat template does not take these turns: {' '.join(str(refusal).split())}") from (
        refusal if isinstance(refusal, Exception) else None
    )


def _apply(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, Any]], options: dict[str, Any]) -> str:
    # Templates without a thinking mode ignore the option; thoughts would use up an action's tokens.
    if not _reads_text(tokenizer):
        turns = [_in_parts(turn) for turn in turns]
    rendered: Any = tokenizer.apply_chat_template(turns, tokenize=False, enable_thinking=False, **options)
    return str(rendered)


_READS_TEXT: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[str, bool]] = WeakKeyDictionary()


def _reads_text(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the template takes a content that is a text; those of some vision models take parts alone. Cached."""
    template = str(tokenizer.chat_template)
    known = _READS_TEXT.get(tokenizer)
    if known is None or known[0] != template:
        turn = {"role": "user", "content": MARK}
        try:
            in_text, in_parts = (
                str(tokenizer.apply_chat_template([each], tokenize=False)) for each in (turn, _in_parts(turn))
            )
            reads = MARK in in_text or MARK not in in_parts
        except Exception:  # the template's refusal of parts, an exception of the template engine
            reads = True
        known = _READS_TEXT[tokenizer] = (template, reads)
    return known[1]


def _in_parts(turn: dict[str, Any]) -> dict[str, Any]:
    content = turn["content"]
    return {**turn, "content": [{"type": "text", "text": content}]} if isinstance(content, str) else turn


def _without_system(turns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    others = [turn for turn in turns if turn["role"] != "system"]
    if not system or not others or others[0]["role"] != "user":
        return others
    first = others[0]["content"]
    joined = f"{system}\n\n{first}" if isinstance(first, str) else [{"type": "text", "text": system}, *first]
    return [{"role": "user", "content": joined}, *others[1:]]
