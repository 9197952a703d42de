"""The base model: which one it is, and how it is loaded, for training and serving alike.

Only safetensors are read, and a model's own code only where a setting allows it.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.errors import ModelError
from ..vision.processor import Processor
from .gguf_model import GgufModel, find_gguf
from .model_folder import complain_of_folder, count_parameters, has_template, hash_model
from .templates import use_template

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED = Path(__file__).parents[1] / "base"
"""The model in this package."""
UNPACK_BELOW = 2_000_000_000
"""Parameters below which a CPU serves unpacked weights, 2 bytes each instead of half a byte; chosen: 4 GB."""

NO_TEMPLATE = "has no chat template; set model.chat_template to alpaca, chatml or llama2, or to a file with a template"
MEND = "mend it, or set model.base to another"

_KEEP = {-8: 1, -4: 0, -1: 2**31 - 1}
"""Options of glibc's ``mallopt``: M_ARENA_MAX, one heap for all threads, since those of threads are returned when they are
empty; M_MMAP_MAX, no block outside it; M_TRIM_THRESHOLD, bytes at its end that are kept. Source: ``man mallopt``."""


@dataclass(frozen=True)
class Base:
    """A causal language model with attention layers and a chat template.

    ``name`` is a folder, a GGUF file, ``smollm2`` or a Hugging Face name, empty for the embedded model; ``revision`` is the
    commit of a Hugging Face model. ``quantization`` is ``nf4`` or ``none`` (bf16). ``chat_template`` is the text of a Jinja
    template in place of the model's own. An adapter is served on the base that it was trained on, quantised the same
    way and with the same template: merged, or on another base, its outputs differ.
    """

    name: str = ""
    revision: str | None = None
    trust_remote_code: bool = False
    quantization: str = "nf4"
    chat_template: str | None = None

    @cached_property
    def gguf(self) -> GgufModel | None:
        """The model in a GGUF file that the name means; None for other names."""
        return find_gguf(self.name) if self.name else None

    @property
    def location(self) -> str:
        """What transformers loads: a folder or a Hugging Face name. The folder of a GGUF model may not be made yet."""
        gguf = self.gguf
        return str(gguf.folder) if gguf is not None else self.name or str(EMBEDDED)

    @property
    def is_local(self) -> bool:
        """Whether the model is on this machine."""
        return os.path.isdir(self.location)  # False too for a name that no file can have

    def count_parameters(self) -> int | None:
        """The model's parameters, from the headers of its weights; None where they are not on this machine."""
        if self.gguf is not None:
            return self.gguf.count_parameters()
        return count_parameters(Path(self.location) if self.is_local else _downloaded(self.name, self.revision))

    def to_json(self) -> dict[str, Any]:
        """The base as plain JSON."""
        return asdict(self)

    def fingerprint(self) -> str:
        """The base's identity: ``sha256:<hex>`` of a local model's weights, shape and tokens, else ``name@commit``.

        For a Hugging Face model that is not downloaded yet the commit is unknown, and the revision takes its place. A GGUF
        model has the file's hash, ``gguf:<hex>``. A template of its own adds ``+template:<hex>``.
        """
        gguf = self.gguf
        if gguf is not None:
            found = gguf.fingerprint()
        elif self.is_local:
            found = hash_model(Path(self.location))
        else:
            found = f"{self.name}@{self.commit()}"
        if self.chat_template is None:
            return found
        return f"{found}+template:{hashlib.sha256(self.chat_template.encode()).hexdigest()}"

    def commit(self) -> str:
        """The commit that was downloaded of a Hugging Face model; the revision where none was."""
        return _commit(self.name, self.revision)

    def identity(self) -> str:
        """The base's fingerprint and quantization, which an adapter must match."""
        return f"{self.fingerprint()}/{self.quantization}"

    def complain(self) -> str:
        """What is wrong with a model of this machine, with what to do; empty if nothing, and for a Hugging Face name."""
        gguf = self.gguf
        if gguf is not None:
            return gguf.complain()
        if self.is_local and (problem := complain_of_folder(Path(self.location))):
            return f"{self.name or 'the embedded model'} {problem}; {MEND}"
        return ""

    def lacks_template(self) -> bool:
        """Whether a model of this machine has no chat template and is given none."""
        if self.chat_template is not None:
            return False
        if self.gguf is not None:
            return self.gguf.lacks_template()
        return self.is_local and not has_template(Path(self.location))

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """A freshly loaded model in eval mode, on the GPU where there is one, and its tokenizer. Raises ``ModelError``."""
        if problem := self.complain():
            raise ModelError(problem)
        if (gguf := self.gguf) is not None:
            gguf.unpack()
        # One warns about an optional kernel, the other about each attempt to reach the Hub.
        for library in ("bitsandbytes", "huggingface_hub"):
            logging.getLogger(library).setLevel(logging.ERROR)
        import torch

        if not torch.cuda.is_available():
            # Without this, bitsandbytes loads a compiler for kernels that no CPU uses: a second and 40 MB.
            os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
        import transformers
        from transformers import AutoTokenizer

        untyped: Any = transformers
        untyped.utils.logging.disable_progress_bar()
        nf4 = untyped.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute_dtype(),
        )
        source: dict[str, Any] = {"revision": self.revision, "trust_remote_code": self.trust_remote_code}
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.location, **source)
            model: Any = _class_of(self.location, source).from_pretrained(
                self.location,
                **source,
                dtype=compute_dtype(),
                use_safetensors=True,
                device_map={"": device()},
                quantization_config=nf4 if self.quantization == "nf4" else None,
            )
        except Exception as error:  # transformers raises many kinds, and all concern the user here
            raise ModelError(
                f"base model {self.name or self.location} cannot be loaded: {first_line(error)}"
            ) from error
        if self.chat_template is not None:
            use_template(tokenizer, self.chat_template)
        if not tokenizer.chat_template:
            raise ModelError(f"base model {self.name or self.location} {NO_TEMPLATE}")
        for module in model.modules():
            # On a CPU, bitsandbytes would repack the weights at the first evaluation: then they have no gradient, and each
            # ``state_dict()``, which PEFT asks for when it loads an adapter, rounds them once more.
            if hasattr(module, "support_avx512bf16_for_cpu"):
                module.support_avx512bf16_for_cpu = False
        return model.eval(), tokenizer

    def load_processor(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Processor | None:
        """The processor of the loaded vision model; None for any other model, and where the model comes without one.

        The tokenizer gets the processor's chat template, unless the base has its own. No foreign code is run for it.
        """
        if getattr(model.config, "vision_config", None) is None:
            return None
        import transformers

        untyped: Any = transformers
        try:
            found: Any = untyped.AutoProcessor.from_pretrained(
                self.location, revision=self.revision, trust_remote_code=False
            )
        except Exception as error:  # transformers raises many kinds; the model still answers text
            logging.getLogger(__name__).warning("the base takes no pictures: %s", first_line(error))
            return None
        if self.chat_template is None and isinstance(getattr(found, "chat_template", None), str):
            tokenizer.chat_template = found.chat_template
        return Processor(found, tokenizer) if hasattr(found, "image_processor") else None

    def load_for_serving(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The loaded model; its 4-bit weights are unpacked to bf16 where there is no GPU and the model is small.

        The unpacked numbers are those that the 4-bit layers multiply by, so the answers are the same bit for bit.
        Unpacking them once, instead of in every pass, halves the time. Raises ``ModelError``.
        """
        model, tokenizer = self.load()
        if model.device.type == "cpu" and model.num_parameters() < UNPACK_BELOW:
            _unpack(model)
        return model, tokenizer


def _class_of(location: str, source: dict[str, Any]) -> Any:
    """The class of transformers that loads the model: the one for vision models where it has a part that sees."""
    import transformers

    untyped: Any = transformers
    config = untyped.AutoConfig.from_pretrained(location, **source)
    sees = getattr(config, "vision_config", None) is not None
    known = untyped.models.auto.modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    return untyped.AutoModelForImageTextToText if sees and type(config) in known else untyped.AutoModelForCausalLM


def _commit(name: str, revision: str | None) -> str:
    """The commit that was downloaded for the revision: a branch's name does not identify weights."""
    from huggingface_hub.constants import HF_HUB_CACHE

    branch = revision or "main"
    reference = Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "refs" / branch
    return reference.read_text(encoding="utf-8").strip() if reference.is_file() else branch


def _downloaded(name: str, revision: str | None) -> Path:
    """The folder of a downloaded Hugging Face model; it may not be there."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "snapshots" / _commit(name, revision)


def _unpack(model: Any) -> None:
    """Replace each 4-bit layer by a bf16 layer with the same numbers."""
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn.modules import Linear4bit

    for name, layer in list(model.named_modules()):
        if isinstance(layer, Linear4bit):
            packed: Any = layer.weight
            plain = torch.nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
            weight = dequantize_4bit(packed.data, packed.quant_state).to(compute_dtype())
            plain.weight = torch.nn.Parameter(weight, requires_grad=False)
            plain.bias = layer.bias
            model.set_submodule(name, plain.eval())
    # Otherwise PEFT would still treat the layers as 4-bit.
    model.is_loaded_in_4bit = False
    model.is_quantized = False


def device() -> str:
    """The device of models: ``cuda:0`` where there is a GPU, else ``cpu``."""
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def compute_dtype() -> torch.dtype:
    """What models are held and multiplied in: bf16, or fp16 on a GPU that has no bf16, such as a T4 or a V100.

    fp16 has the finer steps and the smaller range, so a training in it scales its loss.
    """
    import torch

    if torch.cuda.is_available() and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def precision(dtype: torch.dtype) -> str:
    """The dtype of a training in words, as trainings record it."""
    import torch

    return {torch.float16: "fp16 with loss scaling", torch.float32: "fp32"}.get(dtype, "bf16")


def free_gpu() -> None:
    """Return unused GPU memory, which torch would otherwise keep, to other processes."""
    import gc

    import torch

    gc.collect()
    torch.cuda.empty_cache()


def use_threads(count: int | None = None) -> None:
    """Compute with this many CPU threads, by default one for each core, unless ``OMP_NUM_THREADS`` is set.

    Applies to the calling thread.
    """
    # Read when torch is loaded: threads that spin while they wait take cores from other processes.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    if count is not None and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(count, os.cpu_count() or 1))


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for later requests, where it is glibc; call it before other threads start.

    By default it returns each large block to the system, which clears the block's pages again at its next use. Measured with
    16 prompts of 300 to 400 tokens: an eighth less CPU time. A training of short rows gains nothing. The process keeps its
    peak memory until ``return_freed_memory``.
    """
    if (library := _glibc()) is not None:
        for option, value in _KEEP.items():
            library.mallopt(option, value)


def return_freed_memory() -> None:
    """Return freed memory to the system, where the C library is glibc: another process is about to need it."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> Any:
    """The functions of the C library; None where it is another one."""
    import ctypes

    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


def positions(model: PreTrainedModel) -> int | None:
    """The most tokens that the model has positions for; None where its configuration does not say."""
    maximum: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return maximum


def first_line(error: BaseException) -> str:
    """The first line of the error with words in it, for one-line messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
