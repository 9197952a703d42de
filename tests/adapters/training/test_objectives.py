"""Learning from judged answers: what each objective does to the answers, on real 4-bit weights."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_base import RECIPE, Trained, build_base, click_examples, job, quiet_libraries

from grokputer.adapters.data.examples import Example
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.training.batches import collate, tokenize
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.adapters.training.lora import begin_as, configure_lora, widen
from grokputer.adapters.training.objective import LogProbs, Weights, joint_loss, log_probs, remember_reference
from grokputer.adapters.training.trainer import make_trainer, train_job
from grokputer.domain.errors import TrainingError
from grokputer.domain.settings.recipe import Recipe

KTO = RECIPE.replace(sft_weight=0, kto_weight=1, epochs=2, learning_rate=3e-3)
DPO = KTO.replace(kto_weight=0, dpo_weight=1)
MIX = KTO.replace(sft_weight=1, dpo_weight=1)


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


def pairs(count: int) -> list[Example]:
    """The click asked for, and ``DONE`` in its place rejected."""
    return [replace(example, rejected="DONE") for example in click_examples(count)]


def judged(count: int) -> list[Example]:
    """The click asked for is good; ``DONE`` in its place is bad."""
    good = [replace(example, label="good") for example in click_examples(count)]
    return [it for example in good for it in (example, replace(example, completion="DONE", label="bad"))]


EXAMPLES = {"kto": judged(16), "dpo": pairs(32), "mix": [*pairs(16), *judged(8)]}
RECIPES = {"kto": KTO, "dpo": DPO, "mix": MIX}
OBJECTIVES = tuple(RECIPES)


# The loss, by hand


def batch_of(*labels: str, pairs: Sequence[int] = (), tokens: int = 4) -> dict[str, Any]:
    import torch

    return {
        **{f"is_{label}": torch.tensor([it == label for it in labels]) for label in ("target", "good", "bad")},
        "chosen": torch.tensor(pairs, dtype=torch.long),
        "counts": torch.tensor([tokens, sum(it != "target" for it in labels), len(pairs)]),
    }


def thought(answer: Sequence[float], rejected: Sequence[float] = (), unrelated: Sequence[float] = ()) -> LogProbs:
    import torch

    return LogProbs(*(torch.tensor(it, dtype=torch.float32) for it in (answer, rejected, unrelated)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_the_supervised_loss_is_the_mean_over_the_targets_tokens() -> None:
    before = thought([0.0, 0.0])
    loss = joint_loss(thought([-3.0, -5.0]), before, batch_of("target", "target"), Weights(1, 0, 0, 0.1))
    assert float(loss) == pytest.approx(8 / 4)


def test_dpo_wants_the_chosen_answer_to_gain_more_than_the_rejected_one() -> None:
    now, before = thought([-3.0, -9.0], [-6.0]), thought([-5.0, -9.0], [-7.0])  # the pair is the first: +2 against +1
    loss = joint_loss(now, before, batch_of("target", "target", pairs=[0]), Weights(0, 0, 1, 0.5))
    assert float(loss) == pytest.approx(-math.log(sigmoid(0.5 * (2 - 1))))


def test_kto_wants_good_answers_above_and_bad_ones_below_what_answers_have_gained_in_general() -> None:
    now, before = thought([-1.0, -2.0], unrelated=[-4.0, -8.0]), thought([-4.0, -2.5], unrelated=[-6.0, -8.0])
    weights = Weights(0, 1, 0, 0.1, good=3.0)  # gains: good +3, bad +.5, unrelated +1 in the mean
    loss = joint_loss(now, before, batch_of("good", "bad"), weights)
    expected = (3 * (1 - sigmoid(0.1 * (3 - 1))) + (1 - sigmoid(0.1 * (1 - 0.5)))) / 2
    assert float(loss) == pytest.approx(expected)


def test_what_answers_have_gained_in_general_is_never_taken_for_less_than_nothing() -> None:
    now, before = thought([-1.0], unrelated=[-9.0]), thought([-1.0], unrelated=[-2.0])
    assert float(joint_loss(now, before, batch_of("good"), Weights(0, 1, 0, 0.1))) == pytest.approx(0.5)


def test_a_mix_is_the_weighted_sum() -> None:
    now, before = thought([-3.0, -1.0], [-6.0]), thought([-5.0, -1.5], [-7.0])
    batch = batch_of("target", "good", pairs=[0])
    sft, kto, dpo = (
        float(joint_loss(now, before, batch, weights))
        for weights in (Weights(1, 0, 0, 0.2), Weights(0, 1, 0, 0.2), Weights(0, 0, 1, 0.2))
    )
    mixed = float(joint_loss(now, before, batch, Weights(0.5, 2, 3, 0.2)))
    assert mixed == pytest.approx(0.5 * sft + 2 * kto + 3 * dpo)


# What is learnt from


def test_each_objective_learns_from_its_own_kind_of_example(tiny_base: Path) -> None:
    tokenizer = Base(str(tiny_base)).load()[1]
    examples = [*click_examples(3), *pairs(2), *judged(1)]
    learnt = {name: tokenize(examples, tokenizer, 512, recipe) for name, recipe in RECIPES.items()}
    assert [item.label for item in tokenize(examples, tokenizer, 512)] == ["target"] * 5
    assert [item.label for item in learnt["kto"]] == ["good", "bad"]
    assert [bool(item.rejected) for item in learnt["dpo"]] == [True, True]
    assert [bool(item.rejected) for item in learnt["mix"]] == [False] * 3 + [True] * 2 + [False] * 2


def test_a_judged_answer_is_set_against_the_one_before_it(tiny_base: Path) -> None:
    tokenizer = Base(str(tiny_base)).load()[1]
    one, two, three, target = tokenize([*judged(2)[:3], *click_examples(1)], tokenizer, 512, MIX)
    assert (one.unrelated, two.unrelated, three.unrelated) == (three.answer, one.answer, two.answer)
    assert target.unrelated == []


def test_the_rarer_of_good_and_bad_weighs_as_much_as_the_other(tiny_base: Path) -> None:
    tokenizer = Base(str(tiny_base)).load()[1]
    examples = [*judged(2), *(replace(it, label="good") for it in click_examples(4, seed=1))]  # 6 good, 2 bad
    weights = Weights.of(KTO, tokenize(examples, tokenizer, 512, KTO))
    assert (weights.good, weights.bad) == (1.0, 3.0)


def test_a_dataset_without_what_the_objective_wants_fails_and_says_so(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"none of 4 examples fits the objectives with a weight: rejected answers \(dpo_w"
    ):
        train_job(job(tmp_path, tiny_base, click_examples(4), DPO))


# The gradient through 4-bit weights


def gradient(base: Base, examples: list[Example], recipe: Recipe, directory: Path) -> Any:
    """The gradient of the joint loss in all LoRA matrices, away from where training begins."""
    model, tokenizer = base.load_for_serving() if base.quantization == "none" else base.load()
    items = tokenize(examples, tokenizer, 512, recipe)
    trainer: Any = make_trainer(model, tokenizer, items, recipe, directory)
    remember_reference(trainer)
    return loss_and_gradient(trainer, collate(items, range(len(items)), 0))[1]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_gradient_through_nf4_is_that_of_a_dense_reference(objective: str, tiny_base: Path, tmp_path: Path) -> None:
    import torch

    recipe, examples = RECIPES[objective], EXAMPLES[objective][:4] + EXAMPLES[objective][-4:]
    packed = gradient(Base(str(tiny_base)), examples, recipe, tmp_path)
    unpacked = Base(str(tiny_base)).load_for_serving()[0]
    unpacked.save_pretrained(tmp_path / "dense")
    for file in tiny_base.glob("*token*"):
        (tmp_path / "dense" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "dense" / "chat_template.jinja").write_bytes((tiny_base / "chat_template.jinja").read_bytes())
    dense = gradient(Base(str(tmp_path / "dense"), quantization="none"), examples, recipe, tmp_path)
    assert packed.norm() > 0
    assert float(torch.nn.functional.cosine_similarity(packed, dense, 0)) > 0.99


def randomise(model: Any) -> list[Any]:
    """The model's LoRA matrices, away from where training begins, the same each time."""
    import torch

    chance = torch.Generator().manual_seed(7)
    lora = [parameter for name, parameter in sorted(model.named_parameters()) if "lora_" in name]
    for parameter in lora:
        parameter.data = torch.randn(parameter.shape, generator=chance) / 10
    return lora


def loss_and_gradient(trainer: Any, batch: Any) -> tuple[float, Any]:
    import torch

    lora = randomise(trainer.model.train())
    with trainer.compute_loss_context_manager():
        loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    return float(loss.detach()), torch.cat([parameter.grad.flatten() for parameter in lora])


@pytest.mark.parametrize("objective", ["kto", "dpo"])
def test_alone_each_preference_loss_is_that_of_trls_own_trainer(
    objective: str, tiny_base: Path, tmp_path: Path
) -> None:
    import torch
    import trl
    from datasets import Dataset  # type: ignore[import-untyped]

    recipe, examples = RECIPES[objective], EXAMPLES[objective][:4]
    model, tokenizer = Base(str(tiny_base)).load()
    items = tokenize(examples, tokenizer, 512, recipe)
    ours: Any = make_trainer(model, tokenizer, items, recipe, tmp_path)
    remember_reference(ours)
    loss, gradient = loss_and_gradient(ours, collate(items, range(4), 0))

    of_trl: Any = trl
    settings = {"beta": recipe.beta, "per_device_train_batch_size": 4, "use_cpu": True, "bf16": True}
    arguments = getattr(of_trl, f"{objective.upper()}Config")(
        output_dir=str(tmp_path), report_to="none", gradient_checkpointing=False, **settings
    )
    theirs = getattr(of_trl, f"{objective.upper()}Trainer")(
        model=Base(str(tiny_base)).load()[0],
        args=arguments,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([row_of_trl(tokenizer, example) for example in examples]),
        peft_config=configure_lora(recipe, model),
    )
    widen(theirs.model)
    expected, direction = loss_and_gradient(theirs, next(iter(theirs.get_train_dataloader())))
    assert loss == pytest.approx(expected, rel=1e-3)
    assert float(torch.nn.functional.cosine_similarity(gradient, direction, 0)) > 0.999


def row_of_trl(tokenizer: Any, example: Example) -> dict[str, Any]:
    """The example as a row of TRL's dataset for pairs or for judged answers."""
    row = {"prompt": tokenizer.apply_chat_template(list(example.messages), tokenize=False, add_generation_prompt=True)}
    if example.rejected:
        return {**row, "chosen": example.completion, "rejected": example.rejected}
    return {**row, "completion": example.completion, "label": example.label == "good"}


# What training does


def margin(trainer: Any, items: Any) -> float:
    """How much likelier good and chosen answers are than bad and rejected ones, summed over the items."""
    import torch

    batch = collate(items, range(len(items)), 0)
    with torch.no_grad(), trainer.compute_loss_context_manager():
        thought = log_probs(trainer.model, batch)
    sign = batch["is_good"].float() - batch["is_bad"].float()
    return float((sign * thought.answer).sum() + (thought.answer[batch["chosen"]] - thought.rejected).sum())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_training_widens_the_margin_between_better_and_worse_answers(
    objective: str, tiny_base: Path, tmp_path: Path
) -> None:
    model, tokenizer = Base(str(tiny_base)).load()
    recipe = RECIPES[objective]
    items = tokenize(EXAMPLES[objective], tokenizer, 512, recipe)
    trainer: Any = make_trainer(model, tokenizer, items, recipe, tmp_path)
    remember_reference(trainer)
    before = margin(trainer, items)
    trainer.train()
    assert margin(trainer, items) - before > len(items)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_training_that_goes_on_from_a_checkpoint_ends_as_if_it_had_not_been_stopped(
    objective: str, tiny_base: Path, tmp_path: Path
) -> None:
    recipe = RECIPES[objective].replace(checkpoint_steps=3, dropout=0.1)
    whole = job(tmp_path / "whole", tiny_base, EXAMPLES[objective][:32], recipe)
    finished = train_job(whole)
    stopped = job(tmp_path / "stopped", tiny_base, EXAMPLES[objective][:32], recipe)
    first = min(whole.directory.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    assert int(first.name.split("-")[1]) < finished.steps
    shutil.copytree(first, stopped.directory / first.name)
    assert train_job(stopped).adapter_hash == finished.adapter_hash


# Training on from a parent


def weights_in(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def test_an_adapter_with_a_parent_begins_as_the_parent(trained: Trained, tiny_base: Path, tmp_path: Path) -> None:
    recipe = RECIPE.replace(init_from="parent", epochs=1, learning_rate=1e-8)
    spec = replace(job(tmp_path, tiny_base, click_examples(8), recipe), parent=trained.done.adapter)
    (spec.directory / "job.json").write_text(json.dumps(spec.to_json()))
    grown = train_job(TrainingJobSpec.read(spec.directory))
    before, after = weights_in(trained.done.adapter), weights_in(grown.adapter)
    assert all((after[name] - tensor).abs().max() < 1e-6 for name, tensor in before.items())


def test_what_judged_answers_are_measured_from_is_the_parent(trained: Trained, tiny_base: Path, tmp_path: Path) -> None:
    base, recipe = Base(str(tiny_base)), KTO
    model, tokenizer = base.load()
    trainer: Any = make_trainer(model, tokenizer, tokenize(judged(4), tokenizer, 512, recipe), recipe, tmp_path)
    remember_reference(trainer)
    fresh = trainer.reference
    begin_as(trainer.model, trained.done.adapter, recipe, base)
    remember_reference(trainer)
    says_done = [1, 3, 5, 7]  # the bad ones, and the parent has learnt to say it
    assert (trainer.reference[says_done, 0] > fresh[says_done, 0] + 1).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"r": 8}, "r 16 and alpha 32 on 14 layers, the recipe has r 8"), ({"alpha": 16}, "r 16 and alpha 16"),
     ({"target": "attention"}, "on 8; set training.init_from to base")],
)  # fmt: skip
def test_a_parent_of_another_shape_is_refused(
    changes: dict[str, Any], said: str, trained: Trained, tiny_base: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.replace(init_from="parent", **changes)
    spec = replace(job(tmp_path, tiny_base, click_examples(8), recipe), parent=trained.done.adapter)
    with pytest.raises(TrainingError, match=said):
        train_job(spec)


def test_a_parent_of_another_base_is_refused(trained: Trained, tmp_path: Path) -> None:
    other = build_base(tmp_path / "base", fill=0.5)
    spec = replace(job(tmp_path, other, click_examples(8)), parent=trained.done.adapter)
    with pytest.raises(TrainingError, match=r"was trained on another base; set training\.init_from to base"):
        train_job(spec)
