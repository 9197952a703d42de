"""Decoding: several answers at once, each in a slot; when one ends, the next waiting prompt takes its slot.

A pass computes the next tokens of all slots. Where tokens can be guessed from the text, it verifies them too
(``guessing.py``). What the prompts begin with in common is computed once (``prefixes.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .answers import OpenAnswer, Prompt, Written
from .attention import LEAST as UNSEEN
from .guessing import GPU_PASS_TOKENS, MOST, PASS_TOKENS, best_width
from .key_values import Rows
from .prefixes import LEAST, Prefixes, count_common

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

SLOTS = 16
"""Answers written at once; chosen: more are hardly faster on a CPU (benchmarks/serving.py)."""
REFILL = 4
"""Free slots for which waiting prompts are read, because a pass for one prompt alone takes longer; chosen."""
WASTE = 1.5
"""Prompts whose lengths differ by more than this factor are read in different passes; chosen."""


class SlotDecoder:
    """Decodes with a model that has the attention of ``attention.py``. Not thread-safe."""

    def __init__(self, model: PreTrainedModel, stop: frozenset[int], prefixes: Prefixes, of: str | None = None) -> None:
        self.model = model
        self.stop = stop
        self.prefixes = prefixes
        self.of = of
        self.rows = Rows(0)
        self.answers: list[OpenAnswer] = []  # those that are written, in the order of the rows

    def write(
        self, prompts: Sequence[Prompt], on_written: Callable[[Sequence[int]], None] = lambda written: None
    ) -> list[Written]:
        """The answer to each prompt, in their order. Prompts of like length should be neighbours.

        ``on_written`` gets the first answer's tokens so far, after each pass; an error that it raises ends all answers.
        """
        import torch

        self.rows = Rows(min(SLOTS, len(prompts)))
        answers = [OpenAnswer(prompt, self.stop) for prompt in prompts]
        waiting = answers[::-1]
        with torch.inference_mode():
            while waiting or self.answers:
                free = self.rows.count - len(self.answers)
                if waiting and free >= min(REFILL, len(waiting), self.rows.count):
                    self._fill([waiting.pop() for _ in range(min(free, len(waiting)))])
                else:
                    self._write_next()
                on_written(answers[0].written)
                self._remove_done(is_last=not waiting)
        return [answer.end() for answer in answers]

    def _fill(self, answers: Sequence[OpenAnswer]) -> None:
        """Read the prompts of the answers in free slots, and write the first token of each."""
        import torch

        for group in _alike(answers):
            first = len(self.answers)
            for answer in group:
                answer.start()
                self._begin(answer)
            self._read_common(first)
            blocks = [a.tokens[length:] for a, length in zip(group, self.rows.lengths[first:], strict=True)]
            last = sorted({len(block) - 1 for block in blocks})
            logits = self._forward(first, blocks, torch.tensor(last))
            for answer, block, row in zip(group, blocks, logits, strict=True):
                answer.read(row[last.index(len(block) - 1)][None])
            self._advance(first, [len(block) for block in blocks])

    def _begin(self, answer: OpenAnswer) -> None:
        """Give the answer the next slot, with the kept beginning of its prompt."""
        found = self.prefixes.find(self.of, answer.tokens)
        if found is not None:
            self.rows.put(len(self.answers), *found)
        self.rows.lengths.append(found[1] if found is not None else 0)
        self.answers.append(answer)

    def _read_common(self, first: int) -> None:
        """Compute once what the prompts of the rows from ``first`` on have in common, and keep it."""
        group = self.answers[first:]
        if len(group) == 1:
            return
        common = min(count_common(group[0].tokens, answer.tokens[:-1]) for answer in group)
        common = min(common, len(group[0].tokens) - 1)
        known = self.rows.lengths[first]
        if common - min(self.rows.lengths[first:]) < LEAST:
            return
        tokens = group[0].tokens[:common]
        if known < common:
            self._forward(first, [tokens[known:]], 1)
            self.rows.lengths[first] = common
        for row in range(first + 1, len(self.answers)):
            if self.rows.lengths[row] < common:
                self.rows.copy(first, row, common)
                self.rows.lengths[row] = common
                self.prefixes.reused += common
        self.prefixes.keep(self.of, tokens, self.rows.take(first, common))

    def _write_next(self) -> None:
        """Write the next tokens of all answers in one pass."""
        guesses = [(answer.guess(MOST), answer.guesser.chance) for answer in self.answers]
        width = best_width(guesses, PASS_TOKENS if self.model.device.type == "cpu" else GPU_PASS_TOKENS)
        blocks = [answer.next_block(width) for answer in self.answers]
        logits = self._forward(0, blocks, max(map(len, blocks)))
        self._advance(0, [answer.read(row) for answer, row in zip(self.answers, logits, strict=True)])

    def _advance(self, first: int, counts: Sequence[int]) -> None:
        for row, count in enumerate(counts, first):
            self.rows.lengths[row] += count

    def _remove_done(self, *, is_last: bool) -> None:
        """Free the slots of ended answers. What is read of the last one is kept: the next prompt may go on from it."""
        for row in reversed(range(len(self.answers))):
            answer = self.answers[row]
            if not answer.is_done:
                continue
            if is_last and len(self.answers) == 1:
                length = self.rows.lengths[row]
                self.prefixes.keep(self.of, answer.tokens[:length], self.rows.take(row, length))
            self.rows.remove(row)
            self.answers[row] = self.answers[-1]
            self.answers.pop()

    def _forward(self, first: int, blocks: Sequence[Sequence[int]], keep: int | Tensor) -> Tensor:
        """The logits of the last tokens, or of those at the places ``keep``, in fp32 on the CPU (batch, places, vocab)."""
        import torch

        width = max(map(len, blocks))
        if width == len(blocks) == 1:
            # The products of a single row add up in another order. So a pass has two, and the second counts nothing.
            width, keep = 2, 2
        self.rows.open(first, len(blocks), width)
        lengths = self.rows.lengths[first : first + len(blocks)]
        ids = torch.tensor([[*block, *[0] * (width - len(block))] for block in blocks])
        positions = torch.tensor(lengths)[:, None] + torch.arange(width)
        seen = torch.arange(self.rows.end) <= positions[..., None]
        mask = torch.zeros(seen.shape).masked_fill_(~seen, UNSEEN)[:, None]  # (batch, 1, width, length)
        device = self.model.device
        output = self.model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            position_ids=positions.to(device),
            past_key_values=self.rows.cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        logits: Tensor = output.logits.float().cpu()
        return logits


def _alike(answers: Sequence[OpenAnswer]) -> list[list[OpenAnswer]]:
    """The answers in groups of prompts of like length."""
    groups: list[list[OpenAnswer]] = []
    for answer in answers:
        if groups and len(answer.tokens) <= WASTE * len(groups[-1][0].tokens):
            groups[-1].append(answer)
        else:
            groups.append([answer])
    return groups
