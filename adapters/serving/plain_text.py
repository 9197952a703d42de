"""Plain text stays plain: text of a person or a page never becomes a control token of the model.

A tokenizer reads ``<|end|>`` anywhere as the token that ends a turn. So a page that shows it could end the user's turn
and continue as another speaker. To prevent that, the text of each control token in a content is broken by a seam: a
character that the conversation does not contain. The template is then rendered, the text is cut at the seams, and the
pieces are tokenized one by one. Content without such text has no seam, and its tokens do not change.

Some templates mark turns by ordinary text, as in ``[INST]`` or ``### Response:``. Such a mark is broken within a token: the
text stays, and its tokens are never those of the template's mark.
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
"""Candidates for the seam: Unicode's noncharacters for internal use, then the characters for private use."""
_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")


def find_seam(contents: Iterable[str]) -> str:
    """A character that no content contains. Raises ``ModelError`` where they contain all of ``SEAMS``."""
    present = set().union(*contents)
    seam = next((seam for seam in SEAMS if seam not in present), None)
    if seam is None:
        raise ModelError("the conversation contains every character for internal use; remove one of U+FDD0 to U+F8FF")
    return seam


def break_tokens(tokenizer: PreTrainedTokenizerBase, content: str, seam: str, role: str) -> str:
    """The content with seams, so that no piece between them is read as a control token.

    A turn of the ``assistant`` may contain marks that its template writes as ordinary text, such as ``<think>``: the
    model itself writes them. Raises ``ModelError`` for a character that the tokenizer knows only as a control token.
    """
    control = _control_of(tokenizer).without_marks if role == "assistant" else _control_of(tokenizer).all
    pieces, rest = [], content
    while (end := _end_of_first(tokenizer, rest, control)) is not None:
        if control.texts is not None and control.texts.fullmatch(rest[:1]):
            raise ModelError(f"the model's tokenizer knows U+{ord(rest[0]):04X} only as a control token; remove it")
        cut = max(1, end - 1)
        pieces.append(rest[:cut])
        rest = rest[cut:]
    marks = _control_of(tokenizer).marks if role != "assistant" else None
    if marks is None:
        return seam.join([*pieces, rest])
    return seam.join(marks.sub(lambda it: _break_mark(tokenizer, it[0], seam), piece) for piece in (*pieces, rest))


def _break_mark(tokenizer: PreTrainedTokenizerBase, mark: str, seam: str) -> str:
    """The mark with a seam within one of its tokens. Where each character is a token, it gets a space instead."""
    whole = _tokens(tokenizer, mark)
    for cut in range(1, len(mark)):
        if _tokens(tokenizer, mark[:cut]) + _tokens_after(tokenizer, mark[cut:]) != whole:
            return f"{mark[:cut]}{seam}{mark[cut:]}"
    return f"{mark[0]} {mark[1:]}"


def join_tokens(tokenizer: PreTrainedTokenizerBase, rendered: str, seam: str) -> list[int]:
    """The token ids of the rendered text; no token crosses a seam."""
    first, *others = rendered.split(seam)
    tokens = _tokens(tokenizer, first)
    for piece in others:
        tokens += _tokens_after(tokenizer, piece)
    return tokens


def continue_tokens(tokenizer: PreTrainedTokenizerBase, rendered: str, seam: str) -> list[int]:
    """The same of a text that continues other text."""
    return [token for piece in rendered.split(seam) for token in _tokens_after(tokenizer, piece)]


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """The tokenizer's special tokens, from id to text."""
    added: dict[int, Any] = tokenizer.added_tokens_decoder
    named = zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True)
    return {**dict(named), **{id: token.content for id, token in added.items() if token.special}}


_MARK = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|</?[A-Za-z_][\w:-]{0,38}>|<<[^<>\s]{1,40}>>"
    r"|\[/?[A-Z_]{2,40}\]|#{2,4} ?[A-Z][A-Za-z ]{0,38}:"
    r"|\b(?:USER|ASSISTANT|SYSTEM|HUMAN|User|Assistant|System|Human|Bot|AI) ?:"
)
"""The forms of the marks of turns that templates write as ordinary text; chosen: ChatML, Llama 2, Alpaca, Vicuna and kin."""


class _Control(NamedTuple):
    """Control tokens: a pattern of their texts, and their ids."""

    texts: re.Pattern[str] | None
    ids: frozenset[int]

    @classmethod
    def of(cls, tokens: Mapping[int, str], unknown: frozenset[int | None]) -> _Control:
        """The control tokens without the token for unknown characters, which is no sign of a control token."""
        longest_first = sorted(filter(None, tokens.values()), key=len, reverse=True)
        texts = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        return cls(texts, frozenset(tokens) - unknown)


class _Controls(NamedTuple):
    """A tokenizer's control tokens, with and without the marks of its template that are not special; ``marks`` are those
    that are no tokens."""

    made_for: tuple[object, int]
    marks: re.Pattern[str] | None
    all: _Control
    without_marks: _Control


_KNOWN: WeakKeyDictionary[PreTrainedTokenizerBase, _Controls] = WeakKeyDictionary()


def _control_of(tokenizer: PreTrainedTokenizerBase) -> _Controls:
    made_for = (str(tokenizer.chat_template), len(tokenizer))
    known = _KNOWN.get(tokenizer)
    if known is None or known.made_for != made_for:
        special, written = special_tokens(tokenizer), _literals(made_for[0])
        added = tokenizer.added_tokens_decoder.items()
        marks = {id: token.content for id, token in added if token.content in written}
        model: Any = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
        unknown = frozenset(
            {tokenizer.unk_token_id, tokenizer.convert_tokens_to_ids(getattr(model, "unk_token", None) or "")}
        )
        every = _Control.of({**special, **marks}, unknown)
        plain = _plain_marks(written, {*special.values(), *marks.values()})
        known = _Controls(made_for, plain, every, _Control.of(special, unknown))
        _KNOWN[tokenizer] = known
    return known


def _plain_marks(written: str, tokens: set[str]) -> re.Pattern[str] | None:
    """A pattern of the marks that the template writes as ordinary text."""
    found = sorted({*_MARK.findall(written.replace("\\n", "\n"))} - tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, found))) if found else None


def _literals(template: str) -> str:
    """The text that the template writes by itself: the text around its code, and the string literals in it."""
    return "\n".join(
        [_CODE.sub("\n", template), *(text for code in _CODE.findall(template) for text in _LITERAL.findall(code))]
    )


def _end_of_first(tokenizer: PreTrainedTokenizerBase, text: str, control: _Control) -> int | None:
    """The end of the first control token in the text; None where there is none."""
    match = control.texts.search(text) if control.texts else None
    if match is not None:
        return match.start() + min(2, len(match.group()))
    if not _has_spellings(tokenizer) or not _has_control(tokenizer, text, control):
        return None
    low, high = (
        0,
        len(text),
    )  # A normalizer may turn other spellings into a token: up to ``high`` there is one, up to ``low`` none.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _has_control(tokenizer, text[:middle], control) else (middle, high)
    return high


def _has_control(tokenizer: PreTrainedTokenizerBase, text: str, control: _Control) -> bool:
    return not control.ids.isdisjoint(_tokens(tokenizer, text))


def _has_spellings(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a token's text may have other spellings; a tokenizer without a known normalizer may have them."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    return backend is None or backend.normalizer is not None


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _tokens_after(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The token ids of a text that continues other text: some tokenizers put a space before the beginning of each text."""
    end, token = tokenizer.eos_token, tokenizer.eos_token_id
    tokens = _tokens(tokenizer, f"{end}{text}") if end and not text[:1].isspace() else []
    return tokens[1:] if tokens[:1] == [token] else _tokens(tokenizer, text)
