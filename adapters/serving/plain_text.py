"""Text that stays text: what a person or a page wrote never becomes a control token of the model.

A tokenizer reads ``<|end|>`` as the token that ends a turn, wherever it stands: a page that shows it could end the user's turn
and go on in another's name. So the text of each control token within a content is broken: a seam, a character that the
conversation does not have, goes into it before the template is rendered. At the seams the rendered text is cut, and the
pieces are tokenized one by one. Content without such text has no seam, and its tokens are what they always were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from ...domain.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SEAMS = tuple(map(chr, (*range(0xFDD0, 0xFDF0), *range(0xE000, 0xF900))))
"""Characters that no text should have: Unicode's noncharacters for internal use, then those for private use."""
_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")


def find_seam(contents: Iterable[str]) -> str:
    """A character that none of the contents has. Raises ``ModelError`` where they have all of ``SEAMS``."""
    there = set().union(*contents)
    seam = next((it for it in SEAMS if it not in there), None)
    if seam is None:
        raise ModelError(
            "the conversation has every character that is for internal use; remove one of U+FDD0 to U+F8FF"
        )
    return seam


def break_tokens(tokenizer: PreTrainedTokenizerBase, content: str, seam: str, role: str) -> str:
    """The content with seams in it, so that no piece between them is read as a control token.

    A turn of the ``assistant`` may have the marks that its template writes without making them special, as ``<think>``: they
    are the model's own way of writing. Raises ``ModelError`` for a character that the tokenizer knows as a control token alone.
    """
    control = _control_of(tokenizer).without_marks if role == "assistant" else _control_of(tokenizer).all
    pieces, rest = [], content
    while (end := _end_of_first(tokenizer, rest, control)) is not None:
        if control.texts is not None and control.texts.fullmatch(rest[:1]):
            raise ModelError(f"the model's tokenizer knows U+{ord(rest[0]):04X} as a control token alone; remove it")
        cut = max(1, end - 1)
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return seam.join([*pieces, rest])


def join_tokens(tokenizer: PreTrainedTokenizerBase, rendered: str, seam: str) -> list[int]:
    """The token ids of the rendered text, in which no text goes over a seam."""
    first, *others = rendered.split(seam)
    tokens = _tokens(tokenizer, first)
    for piece in others:
        tokens += _tokens_after(tokenizer, piece)
    return tokens


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """The tokenizer's special tokens, ids to texts."""
    added: dict[int, Any] = tokenizer.added_tokens_decoder
    named = zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True)
    return {**dict(named), **{token: it.content for token, it in added.items() if it.special}}


class _Control(NamedTuple):
    """Control tokens: how their texts are found, and their ids."""

    texts: re.Pattern[str] | None
    ids: frozenset[int]

    @classmethod
    def of(cls, tokens: Mapping[int, str], unknown: frozenset[int | None]) -> _Control:
        """Those tokens. A token that stands for unknown characters is no sign of a control token."""
        longest_first = sorted(filter(None, tokens.values()), key=len, reverse=True)
        texts = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        return cls(texts, frozenset(tokens) - unknown)


class _Controls(NamedTuple):
    """What a tokenizer reads as control tokens, and the same without the marks of its template that are not special."""

    made_for: tuple[object, int]
    all: _Control
    without_marks: _Control


_KNOWN: WeakKeyDictionary[PreTrainedTokenizerBase, _Controls] = WeakKeyDictionary()


def _control_of(tokenizer: PreTrainedTokenizerBase) -> _Controls:
    made_for = (str(tokenizer.chat_template), len(tokenizer))
    known = _KNOWN.get(tokenizer)
    if known is None or known.made_for != made_for:
        special, written = special_tokens(tokenizer), _literals(made_for[0])
        marks = {token: it.content for token, it in tokenizer.added_tokens_decoder.items() if it.content in written}
        model: Any = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
        unknown = frozenset(
            {tokenizer.unk_token_id, tokenizer.convert_tokens_to_ids(getattr(model, "unk_token", None) or "")}
        )
        known = _Controls(made_for, _Control.of({**special, **marks}, unknown), _Control.of(special, unknown))
        _KNOWN[tokenizer] = known
    return known


def _literals(template: str) -> str:
    """What the template may write by itself: the text around its code, and the strings within."""
    return "\n".join(
        [_CODE.sub("\n", template), *(text for code in _CODE.findall(template) for text in _LITERAL.findall(code))]
    )


def _end_of_first(tokenizer: PreTrainedTokenizerBase, text: str, control: _Control) -> int | None:
    """Where the first control token in the text ends, None where there is none."""
    match = control.texts.search(text) if control.texts else None
    if match is not None:
        return match.start() + min(2, len(match.group()))
    if not _has_spellings(tokenizer) or not _has_control(tokenizer, text, control):
        return None
    low, high = (
        0,
        len(text),
    )  # A normalizer makes a token of another spelling: up to ``high`` there is one, up to ``low`` none.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _has_control(tokenizer, text[:middle], control) else (middle, high)
    return high


def _has_control(tokenizer: PreTrainedTokenizerBase, text: str, control: _Control) -> bool:
    return not control.ids.isdisjoint(_tokens(tokenizer, text))


def _has_spellings(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a token's text may be spelled in other ways; one that does not say so may."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    return backend is None or backend.normalizer is not None


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _tokens_after(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The token ids of a text that goes on from other text: some tokenizers begin each text, and only that, with a blank."""
    end, token = tokenizer.eos_token, tokenizer.eos_token_id
    tokens = _tokens(tokenizer, f"{end}{text}") if end and not text[:1].isspace() else []
    return tokens[1:] if tokens[:1] == [token] else _tokens(tokenizer, text)
