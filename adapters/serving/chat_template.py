"""A conversation as tokens: the one place where prompts and answers are rendered, for training and for serving.

The template is the model's own. It writes the text's first token itself, so the tokenizer adds none. The template alone writes
control tokens: a question or a page that holds the text of one is read as that text (``plain_text.py``).
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
"""What the answer says where only the template around it is looked at."""


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """The token ids after which the answer begins. Raises ``ModelError`` for turns that the template does not take."""
    seam = find_seam(message["content"] for message in messages)
    turns = [
        Message(role=it["role"], content=break_tokens(tokenizer, it["content"], seam, it["role"])) for it in messages
    ]
    return join_tokens(tokenizer, _render(tokenizer, turns, add_generation_prompt=True), seam)


def answer_tokens(tokenizer: PreTrainedTokenizerBase, answer: str) -> list[int]:
    """The token ids of an answer as the model is to write it after the prompt, with the token that ends its turn."""
    seam = find_seam([answer])
    return [*join_tokens(tokenizer, break_tokens(tokenizer, answer, seam, "assistant"), seam), turn_end(tokenizer)]


def turn_end(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that the template writes after an answer; the end of text where it writes none of its own."""
    rendered = _render(tokenizer, [{"role": "user", "content": "question"}, {"role": "assistant", "content": MARK}])
    after = tokenizer(rendered.rpartition(MARK)[2].strip(), add_special_tokens=False)["input_ids"]
    end: int | None = after[0] if after and after[0] in special_tokens(tokenizer) else tokenizer.eos_token_id
    if end is None:
        raise ModelError(
            "the model's tokenizer has no token that ends an answer; use one that was made for conversations"
        )
    return end


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The token ids that end an answer: the template's, the tokenizer's and those of the model's generation config."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    several = configured if isinstance(configured, list) else [configured]
    tokens = [*several, tokenizer.eos_token_id, turn_end(tokenizer)]
    return frozenset(token for token in tokens if token is not None)


def _render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], **options: Any) -> str:
    """The conversation as text. A system turn goes to the first user's where the template has none (Gemma, Mistral)."""
    turns = [{"role": message["role"], "content": message["content"]} for message in messages]
    refusal = None
    for attempt in (turns, _without_system(turns)):
        try:
            return _apply(tokenizer, attempt, options)
        except Exception as error:  # the template's own refusal, of a kind of the template engine's
            refusal = error
    raise ModelError(
        f"the model's chat template does not take these turns: {' '.join(str(refusal).split())}"
    ) from refusal


def _apply(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], options: dict[str, Any]) -> str:
    # Templates that know no thinking take no notice; thoughts would use up an action's tokens.
    rendered: Any = tokenizer.apply_chat_template(turns, tokenize=False, enable_thinking=False, **options)
    return str(rendered)


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    others = [turn for turn in turns if turn["role"] != "system"]
    if not system or not others or others[0]["role"] != "user":
        return others
    return [{"role": "user", "content": f"{system}\n\n{others[0]['content']}"}, *others[1:]]
