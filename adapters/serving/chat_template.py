"""A conversation as tokens: the one place that renders prompts and answers, for training and serving.

The template is the model's own. It writes the first token of the text itself, so the tokenizer adds none. Only the
template writes control tokens: a question or a page that contains the text of one is tokenized as plain text
(``plain_text.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...domain.errors import ModelError
from ...domain.page.messages import Message
from .plain_text import break_tokens, find_seam, join_tokens, special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MARK = "answer"
"""The answer's text where only the template around it matters."""


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """The token ids before the answer. Raises ``ModelError`` for turns that the template refuses."""
    seam = find_seam(message["content"] for message in messages)
    turns = [
        Message(role=message["role"], content=break_tokens(tokenizer, message["content"], seam, message["role"]))
        for message in messages
    ]
    return join_tokens(tokenizer, _render(tokenizer, turns, add_generation_prompt=True), seam)


def answer_tokens(tokenizer: PreTrainedTokenizerBase, answer: str) -> list[int]:
    """The token ids of an answer after the prompt, with the token that ends its turn."""
    seam = find_seam([answer])
    return [*join_tokens(tokenizer, break_tokens(tokenizer, answer, seam, "assistant"), seam), turn_end(tokenizer)]


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


def _render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], **options: Any) -> str:
    """The conversation as text. Where the template has no system turn (Gemma, Mistral), it moves into the first user turn."""
    turns = [{"role": message["role"], "content": message["content"]} for message in messages]
    refusal = None
    for attempt in (turns, _without_system(turns)):
        try:
            return _apply(tokenizer, attempt, options)
        except Exception as error:  # the template's refusal, an exception of the template engine
            refusal = error
    raise ModelError(
        f"the model's chat template does not take these turns: {' '.join(str(refusal).split())}"
    ) from refusal


def _apply(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], options: dict[str, Any]) -> str:
    # Templates without a thinking mode ignore the option; thoughts would use up an action's tokens.
    rendered: Any = tokenizer.apply_chat_template(turns, tokenize=False, enable_thinking=False, **options)
    return str(rendered)


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    others = [turn for turn in turns if turn["role"] != "system"]
    if not system or not others or others[0]["role"] != "user":
        return others
    return [{"role": "user", "content": f"{system}\n\n{others[0]['content']}"}, *others[1:]]
