"""The base model: which one, loaded how, and how a conversation becomes its tokens.

Training and serving load the base and render prompts here and nowhere else. Only safetensors are read, and a model's own
code only where it is asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..domain.errors import ModelError
from ..domain.ports import Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED = Path(__file__).parent / "base"
"""The model that comes with the package."""
UNPACK_BELOW = 2_000_000_000
"""Parameters below which a CPU serves unpacked weights, 2 bytes each instead of half a one; chosen: 4 GB."""


@dataclass(frozen=True)
class Base:
    """A causal language model with attention layers and a chat template.

    ``name`` is a folder or a Hugging Face name, empty for the embedded model; ``revision`` is the commit of the latter.
    ``quantization`` is ``nf4`` or ``none`` (bf16). An adapter is served on the base it was trained on, quantised the
    same way: merged or moved elsewhere, its outputs differ.
    """

    name: str = ""
    revision: str | None = None
    trust_remote_code: bool = False
    quantization: str = "nf4"

    @property
    def location(self) -> str:
        """What transformers is asked to load: a folder or a Hugging Face name."""
        return self.name or str(EMBEDDED)

    @property
    def is_local(self) -> bool:
        """Whether the model lies on this machine."""
        return Path(self.location).is_dir()

    def to_json(self) -> dict[str, Any]:
        """The base as plain JSON."""
        return asdict(self)

    def fingerprint(self) -> str:
        """What identifies the base's weights: ``sha256:<hex>`` of a local one's files, else ``name@revision``."""
        if not self.is_local:
            return f"{self.name}@{self.revision or 'main'}"
        digest = hashlib.sha256()
        for file in sorted(Path(self.location).glob("*.safetensors")) + sorted(
            Path(self.location).glob("*token*.json")
        ):
            with file.open("rb") as stream:
                digest.update(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {file.name}\n".encode())
        return f"sha256:{digest.hexdigest()}"

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """A freshly read model, in eval mode, on the GPU where there is one, and its tokenizer. Raises ``ModelError``."""
        import logging

        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of a kernel it can do without
        import torch

        if not torch.cuda.is_available():
            # bitsandbytes would load the compiler, for kernels that no CPU uses: a second and 40 MB.
            os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
        import transformers
        from transformers import AutoModelForCausalLM, AutoTokenizer

        untyped: Any = transformers
        untyped.utils.logging.disable_progress_bar()
        nf4 = untyped.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        source: dict[str, Any] = {"revision": self.revision, "trust_remote_code": self.trust_remote_code}
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.location, **source)
            model: Any = AutoModelForCausalLM.from_pretrained(
                self.location,
                **source,
                dtype=torch.bfloat16,
                use_safetensors=True,
                device_map={"": device()},
                quantization_config=nf4 if self.quantization == "nf4" else None,
            )
        except Exception as error:  # transformers raises many kinds, and each is the user's business here
            raise ModelError(f"base model {self.location} cannot be loaded: {first_line(error)}") from error
        if not tokenizer.chat_template:
            raise ModelError(
                f"base model {self.location} has no chat template; use one that was made for conversations"
            )
        for module in model.modules():
            # On a CPU, bitsandbytes would repack the weights at the first evaluation: then they have no gradient, and each
            # ``state_dict()``, which PEFT asks for when it loads an adapter, rounds them once more.
            if hasattr(module, "support_avx512bf16_for_cpu"):
                module.support_avx512bf16_for_cpu = False
        return model.eval(), tokenizer

    def load_for_serving(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The loaded model, its 4-bit weights unpacked to bf16 where there is no GPU and the model is small.

        They are the very numbers that the 4-bit layers multiply by, so the answers are the same to the bit; unpacked once
        instead of in every pass they come in half the time. Raises ``ModelError``.
        """
        model, tokenizer = self.load()
        if model.device.type == "cpu" and model.num_parameters() < UNPACK_BELOW:
            _unpack(model)
        return model, tokenizer


def _unpack(model: Any) -> None:
    """Replace each 4-bit layer by a bf16 one with the numbers it stands for."""
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn.modules import Linear4bit

    for name, layer in list(model.named_modules()):
        if isinstance(layer, Linear4bit):
            packed: Any = layer.weight
            plain = torch.nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
            weight = dequantize_4bit(packed.data, packed.quant_state).to(torch.bfloat16)
            plain.weight = torch.nn.Parameter(weight, requires_grad=False)
            plain.bias = layer.bias
            model.set_submodule(name, plain.eval())
    # PEFT would take the layers for 4-bit ones still.
    model.is_loaded_in_4bit = False
    model.is_quantized = False


def device() -> str:
    """Where models live: ``cuda:0`` where there is a GPU, else ``cpu``."""
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def use_threads(count: int) -> None:
    """Compute with this many CPU threads, unless ``OMP_NUM_THREADS`` says otherwise. It holds for the calling thread."""
    # Read when torch is loaded: threads that wait by spinning take the cores from whoever else is computing.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(count, os.cpu_count() or 1))


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """The token ids after which the answer begins."""
    turns = [{"role": message["role"], "content": message["content"]} for message in messages]
    rendered: Any = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
    return list(rendered["input_ids"])


def answer_tokens(tokenizer: PreTrainedTokenizerBase, answer: str) -> list[int]:
    """The token ids of an answer as the model is to write it after the prompt, with the end-of-turn token."""
    return [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The token ids that end an answer: the tokenizer's and those of the model's generation config."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    several = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*several, tokenizer.eos_token_id] if token is not None)


def first_line(error: BaseException) -> str:
    """The error's first line with words in it, for a message that must be one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
