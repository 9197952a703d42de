"""Real QLoRA on a tiny Llama: what it changes, what it must not, and what is left when it is stopped."""

from __future__ import annotations

import dataclasses
import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tiny_base import RECIPE, Trained, build_base, click_examples, job, quiet_libraries

from grokputer.adapters.data.examples import Example, dataset_hash
from grokputer.adapters.registry.local import hash_directory
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.chat_template import answer_tokens, prompt_tokens
from grokputer.adapters.training.batches import Item, tokenize
from grokputer.adapters.training.child import main
from grokputer.adapters.training.job import TrainingJobSpec, TrainingResult
from grokputer.adapters.training.process import train
from grokputer.adapters.training.trainer import check_never_evaluated, make_trainer, train_job
from grokputer.domain.errors import TrainingError
from grokputer.domain.page.messages import Message
from grokputer.domain.settings.recipe import Recipe

SHORT = RECIPE.replace(epochs=1, checkpoint_steps=100)


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


def items(base: Base, count: int = 8) -> list[Item]:
    return tokenize(click_examples(count), base.load()[1], 512)


def lora(model: Any) -> dict[str, Any]:
    return {name: parameter for name, parameter in model.named_parameters() if "lora_" in name}


# What a training leaves behind


def test_a_training_reports_every_step(trained: Trained) -> None:
    steps = [progress.step for progress in trained.progress]
    assert steps == list(range(1, 17))
    last = trained.progress[-1]
    assert (last.total_steps, last.epoch) == (16, 2.0)
    assert last.loss < trained.progress[0].loss
    assert last.examples_per_s > 0
    assert last.elapsed_s > 0


def test_a_result_says_what_the_training_cost_and_was_made_of(trained: Trained) -> None:
    result = trained.asked
    assert (result.examples, result.left_out, result.steps) == (64, 0, 16)
    assert result.tokens > 64 * 20
    assert result.duration_s > 0
    assert result.peak_memory_bytes > 100_000_000
    assert result.final_loss == trained.progress[-1].loss
    assert result.dataset_hash == dataset_hash(click_examples(64))
    assert result.adapter_hash == hash_directory(result.adapter)
    assert set(result.versions) == {"torch", "transformers", "peft", "bitsandbytes", "trl"}


def test_an_adapter_is_safetensors_its_config_and_its_reference(trained: Trained, tiny_base: Path) -> None:
    files = sorted(file.name for file in trained.asked.adapter.iterdir())
    assert files == ["adapter_config.json", "adapter_model.safetensors", "reference.json"]
    config = json.loads((trained.asked.adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == tiny_base.name
    assert (config["r"], config["lora_alpha"]) == (16, 32)


def test_the_same_job_gives_the_same_adapter_to_the_bit(trained: Trained, tiny_base: Path, tmp_path: Path) -> None:
    again = train_job(job(tmp_path, tiny_base, click_examples(64, done=True)))
    assert again.adapter_hash == trained.done.adapter_hash


def test_a_job_that_was_killed_after_its_last_step_only_has_its_adapter_written(
    trained: Trained, tiny_base: Path, tmp_path: Path
) -> None:
    spec = job(tmp_path, tiny_base, click_examples(64, done=True))
    shutil.copytree(trained.done.adapter.parent, spec.directory, dirs_exist_ok=True)
    again = train_job(spec)  # it finds the last checkpoint, and an adapter without a result
    assert again.adapter_hash == trained.done.adapter_hash
    assert (again.steps, again.final_loss) == (16, trained.done.final_loss)


def test_a_finished_job_is_not_trained_again(trained: Trained, tiny_base: Path) -> None:
    folder = trained.asked.adapter.parent.parent
    assert train(job(folder, tiny_base, click_examples(64))) == trained.asked


def test_the_folder_of_another_job_is_refused(trained: Trained, tiny_base: Path) -> None:
    folder = trained.asked.adapter.parent.parent
    with pytest.raises(TrainingError, match="holds another training job; give an empty folder"):
        train(job(folder, tiny_base, click_examples(64), RECIPE.replace(r=4)))


# What a training changes


def test_every_lora_parameter_changes_and_every_base_byte_stays(tiny_base: Path, tmp_path: Path) -> None:
    files = hash_of_files(tiny_base)
    base = Base(str(tiny_base))
    model, tokenizer = base.load()
    trainer: Any = make_trainer(model, tokenizer, items(base, 32), SHORT, tmp_path)
    before: dict[str, Any] = {name: tensor.detach().clone() for name, tensor in trainer.model.named_parameters()}
    packed = {name: str(p.quant_state.as_dict(packed=True)) for name, p in before.items() if hasattr(p, "quant_state")}
    trainer.train()
    for name, parameter in trainer.model.named_parameters():
        assert parameter.equal(before[name]) == ("lora_" not in name), name
    assert {name: str(p.quant_state.as_dict(packed=True)) for name, p in before.items() if name in packed} == packed
    assert len(lora(trainer.model)) == 2 * 2 * 7  # A and B of seven projections in two layers
    assert all(parameter.dtype.itemsize == 4 for parameter in lora(trainer.model).values())
    assert hash_of_files(tiny_base) == files


def hash_of_files(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_attention_alone_adapts_four_projections(tiny_base: Path, tmp_path: Path) -> None:
    base = Base(str(tiny_base))
    model, tokenizer = base.load()
    trainer = make_trainer(model, tokenizer, items(base), Recipe(target="attention", r=8), tmp_path)
    assert {name.split(".")[-4] for name in lora(trainer.model)} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert {min(parameter.shape) for parameter in lora(trainer.model).values()} == {8}


# The gradient through 4-bit weights


def gradient(model: Any, row: dict[str, list[int]]) -> Any:
    """The gradients of all LoRA matrices for one example, as one vector."""
    import torch

    model.train()
    model.zero_grad()
    batch = {name: torch.tensor([ids]) for name, ids in row.items()}
    with torch.autocast("cpu", torch.bfloat16):
        model(**batch).loss.backward()
    return torch.cat(
        [parameter.grad.float().flatten() for parameter in lora(model).values() if parameter.grad is not None]
    )


def adapted(model: Any) -> Any:
    """The model with the same random LoRA matrices each time."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(7)
    return get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))


def cosine(a: Any, b: Any) -> float:
    import torch

    return float(torch.nn.functional.cosine_similarity(a, b, 0))


def test_the_gradient_through_nf4_is_that_of_a_dense_reference(tiny_base: Path) -> None:
    base = Base(str(tiny_base))
    row = items(base)[0].row
    dense = adapted(base.load_for_serving()[0])
    packed = adapted(base.load()[0])
    assert "Linear4bit" in str(packed)
    assert "Linear4bit" not in str(dense)
    assert cosine(gradient(packed, row), gradient(dense, row)) > 0.99


def test_a_base_that_was_evaluated_keeps_its_gradient(tiny_base: Path) -> None:
    base = Base(str(tiny_base))
    row = items(base)[0].row
    model = adapted(base.load()[0])
    before = gradient(model, row)
    evaluate(model, row)
    assert cosine(gradient(model, row), before) > 0.99


def test_bitsandbytes_on_its_own_loses_the_gradient_at_the_first_evaluation(tiny_base: Path) -> None:
    """Why ``Base.load`` switches repacking off, and why training takes a freshly loaded base all the same."""
    import bitsandbytes.functional

    functional: Any = bitsandbytes.functional
    if not functional.has_avx512bf16():
        pytest.skip("this CPU has no AVX512-BF16, for which bitsandbytes repacks weights")
    base = Base(str(tiny_base))
    row = items(base)[0].row
    model = adapted(base.load()[0])
    before = gradient(model, row)
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = True
    evaluate(model, row)
    with pytest.warns(UserWarning, match="gemv_4bit"):
        after = gradient(model, row)
    assert cosine(after, before) < 0.9
    with pytest.raises(TrainingError, match="its gradients are wrong"):
        check_never_evaluated(model)


def evaluate(model: Any, row: dict[str, list[int]]) -> None:
    import torch

    with torch.no_grad():
        model.eval()(torch.tensor([row["input_ids"]]))


# What a training is given


def test_training_and_serving_render_the_same_prompt(tiny_base: Path) -> None:
    tokenizer = Base(str(tiny_base)).load()[1]
    example = click_examples(1)[0]
    row = tokenize([example], tokenizer, 512)[0].row
    prompt = prompt_tokens(tokenizer, example.messages)
    answered: Any = [*example.messages, {"role": "assistant", "content": example.completion}]
    template: Any = tokenizer.apply_chat_template(answered, return_dict=True)
    assert row["input_ids"] == prompt + answer_tokens(tokenizer, example.completion) == template["input_ids"]
    assert row["labels"] == [-100] * len(prompt) + answer_tokens(tokenizer, example.completion)


def test_packed_examples_do_not_see_each_other(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    base = Base(str(tiny_base), quantization="none")
    model, tokenizer = base.load()
    recipe = Recipe(packing=True, max_length=128, batch=2, dropout=0.0, quantization="none")
    trainer: Any = make_trainer(model, tokenizer, items(base), recipe, tmp_path)
    batch = next(iter(trainer.get_train_dataloader()))
    starts = [*(batch["position_ids"][0] == 0).nonzero().flatten().tolist(), batch["input_ids"].shape[1]]
    assert len(starts) > 3
    with torch.no_grad():
        together = trainer.model(input_ids=batch["input_ids"], position_ids=batch["position_ids"]).logits[0]
        for start, end in pairwise(starts):
            alone = trainer.model(input_ids=batch["input_ids"][:, start:end]).logits[0]
            assert (together[start:end] - alone).abs().max() < 0.05 * alone.std()


def test_examples_that_are_too_long_are_left_out_and_counted(tiny_base: Path, tmp_path: Path) -> None:
    long = dataclasses.replace(click_examples(1)[0], completion="TYPE" + "x" * 600)
    result = train_job(job(tmp_path, tiny_base, [*click_examples(8), long], SHORT))
    assert (result.examples, result.left_out) == (8, 1)
    assert result.reasons == {"too long": 1}


STRICT = (
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}<user>{{ message['content'] }}{% else %}{{ message['content'] }}<eos>"
    "{% endif %}{% endfor %}"
)
"""As the templates of Mistral and Gemma check it."""


@pytest.fixture
def strict_base(tiny_base: Path, tmp_path: Path) -> Path:
    """A base whose chat template takes alternating turns alone."""
    shutil.copytree(tiny_base, tmp_path / "strict")
    (tmp_path / "strict" / "chat_template.jinja").write_text(STRICT)
    return tmp_path / "strict"


def test_an_example_whose_turns_the_chat_template_refuses_is_left_out_and_counted(
    strict_base: Path, tmp_path: Path
) -> None:
    ask: Message = {"role": "user", "content": "click Ok"}
    twice = Example((ask, ask), "DONE", "public")
    result = train_job(job(tmp_path, strict_base, [twice, *click_examples(8)], SHORT))
    assert (result.examples, result.left_out) == (8, 1)
    assert result.reasons == {"refused by the chat template": 1}
    with pytest.raises(TrainingError, match=r"none of 2 examples can be learnt from: .* roles must alternate"):
        train_job(job(tmp_path / "all", strict_base, [twice, twice], SHORT))


def test_a_training_without_a_usable_example_fails(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="none of 2 examples is at most 16 tokens long; raise max_length"):
        train_job(job(tmp_path, tiny_base, click_examples(2), SHORT.replace(max_length=16)))


# Trainings that fail or are stopped


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    broken = build_base(tmp_path / "base", fill=float("nan"))
    spec = write(job(tmp_path, broken, click_examples(8), SHORT))
    assert main(spec.directory) == 1
    with pytest.raises(TrainingError, match="the loss is nan at step 1; lower the learning rate"):
        TrainingResult.read(spec.directory)
    assert not (spec.directory / "adapter").exists()


def write(spec: TrainingJobSpec) -> TrainingJobSpec:
    (spec.directory / "job.json").write_text(json.dumps(spec.to_json(), indent=1))
    return spec


def test_a_base_that_is_not_there_ends_the_training(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    spec = write(job(tmp_path, tmp_path / "empty", click_examples(8), SHORT))
    assert main(spec.directory) == 1
    with pytest.raises(TrainingError, match="cannot be loaded") as failed:
        TrainingResult.read(spec.directory)
    assert "\n" not in str(failed.value)


def test_a_folder_that_is_being_trained_is_left_alone(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr("grokputer.adapters.training.trainer.LOCK_WAIT_S", 0.1)
    spec = job(tmp_path, tiny_base, click_examples(8), SHORT)
    with (spec.directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TrainingError, match="is being trained by another process; wait for it"):
            train_job(spec)


def test_a_full_disk_fails_the_training_and_leaves_no_adapter(tiny_base: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk: the write of the weights fails in the same way."""
    spec = write(job(tmp_path, tiny_base, click_examples(8), SHORT))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        code = main(spec.directory)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    with pytest.raises(TrainingError, match=r"File too large.*; check whether the disk is full") as failed:
        TrainingResult.read(spec.directory)
    assert "\n" not in str(failed.value)
    assert not (spec.directory / "adapter").exists()


def test_a_killed_training_leaves_no_adapter_and_ends_as_if_it_had_not_been_killed_though_its_newest_checkpoint_was_changed(
    tiny_base: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.replace(epochs=4)  # 32 steps
    spec = job(tmp_path / "killed", tiny_base, click_examples(64), recipe)
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from tiny_base import *\n"
        "spec = job(Path(sys.argv[2]), Path(sys.argv[3]), click_examples(64), RECIPE.replace(epochs=4))\n"
        "train(spec, lambda progress: os.kill(os.getpid(), signal.SIGKILL) if progress.step >= 6 else None)"
    )
    arguments = [str(Path(__file__).parent), str(tmp_path / "killed"), str(tiny_base)]
    parent = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    wait_until_unlocked(spec.directory / ".lock")  # the trainer died with its parent
    assert TrainingResult.read(spec.directory) is None
    assert not (spec.directory / "adapter").exists()
    reached = max(int(file.parent.name.split("-")[1]) for file in spec.directory.glob("checkpoint-*/complete"))
    assert 4 <= reached < 32

    newest = spec.directory / f"checkpoint-{reached}"
    flip_a_bit(newest / "adapter_model.safetensors")
    steps: list[int] = []
    lines: list[str] = []
    resumed = train(spec, lambda progress: steps.append(progress.step), say=lines.append)
    whole = train_job(job(tmp_path / "whole", tiny_base, click_examples(64), recipe))
    before = reached - 4
    place = f"checkpoint-{before}" if before else "the beginning"
    assert f"checkpoint-{reached} cannot be used: adapter_model.safetensors was changed" in lines[0]
    assert lines[0].endswith(f"the training continues from {place}")
    assert steps == list(range(before + 1, 33))
    assert resumed.adapter_hash == whole.adapter_hash


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_finished_weights_that_were_changed_are_made_again_from_the_last_checkpoint(
    trained: Trained, tiny_base: Path, tmp_path: Path
) -> None:
    folder = trained.asked.adapter.parent.parent
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    flip_a_bit(tmp_path / "job" / "adapter" / "adapter_model.safetensors")
    steps: list[int] = []
    lines: list[str] = []
    spec = job(tmp_path, tiny_base, click_examples(64))
    again = train(spec, lambda progress: steps.append(progress.step), say=lines.append)
    assert (again.adapter_hash, steps) == (trained.asked.adapter_hash, [])
    assert "are not what was written" in lines[0]


def wait_until_unlocked(lock: Path) -> None:
    import fcntl

    with lock.open("w") as file:
        for _ in range(1000):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(0.01)
    raise AssertionError("the trainer outlives its parent")
