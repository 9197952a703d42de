"""The embedded model's tokenizer: a word has the same tokens everywhere, so that copied text looks the same.

Runs of letters, single digits and single other characters are split first; byte-pair merges stay inside runs of
letters. A space is always its own token. ``[1]`` to ``[64]``, the numbers of page lines, are one token each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..domain.page.action import VERBS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 1280
"""Tokens; chosen: 256 bytes, the numbers, and about 950 merges. A multiple of 64."""
NUMBERS = 64
"""Page lines with a token for their number: the most lines of a page."""
END, PAD = "<|end|>", "<|pad|>"
_CUT = "|".join([*VERBS, r"\p{L}+", r"\p{N}", r"[^\p{L}\p{N}]"])

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- message['content'] + eos_token -}}{%- endgeneration -%}"
    "{%- elif message['role'] != 'system' -%}{{- message['content'] -}}"
    "{%- endif -%}{%- endfor -%}"
)
"""The user's text unchanged, then the answer and the end token. System messages are dropped: they are for large models."""


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer with merges learnt from the texts. The same texts give the same tokenizer."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CUT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - NUMBERS,
        special_tokens=[END, PAD],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(f"[{n}]", normalized=False) for n in range(1, NUMBERS + 1)])
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
