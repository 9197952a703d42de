"""Vision models small enough to train in seconds, with random weights: a LLaVA and two other makes. And pictures for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from grokputer.adapters.data.examples import Example
from grokputer.domain.page.media import add_marks, write_url

COLORS = {"red": (220, 30, 30), "blue": (30, 60, 220)}
WORDS = (
    *("<pad>", "<eos>", "<user>", "red", "blue"),
    *("CLICK", "button", "task"),
)
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<user>{% endif %}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}<eos>{% endif %}{% endfor %}"
)
QUESTION = "which color?"
SHAPE: dict[str, Any] = {
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.1,
}
"""The shape of both sides."""


def build_vision_base(directory: Path) -> Path:
    """Write a LLaVA, its processor and a character tokenizer into the folder."""
    import transformers

    untyped: Any = transformers
    tokenizer = _tokenizer(("<image>",), TEMPLATE)
    size = {"height": 64, "width": 64}
    processor = untyped.LlavaProcessor(
        image_processor=untyped.CLIPImageProcessor(size={"shortest_edge": 64}, crop_size=size),
        tokenizer=tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
        image_token="<image>",
    )
    config = untyped.LlavaConfig(
        vision_config=untyped.CLIPVisionConfig(
            hidden_size=32, image_size=64, patch_size=16, projection_dim=32, **SHAPE
        ),
        text_config=untyped.LlamaConfig(**_text(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    return _write(directory, untyped.LlavaForConditionalGeneration, config, processor)


def build_idefics3(directory: Path) -> Path:
    """Write an Idefics 3, as SmolVLM is one: its processor cuts large pictures into tiles and names each one's place."""
    import transformers

    untyped: Any = transformers
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    signs = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *tiles)
    tokenizer = _tokenizer(signs, TEMPLATE)
    processor = untyped.Idefics3Processor(
        untyped.Idefics3ImageProcessorPil(size={"longest_edge": 128}, max_image_size={"longest_edge": 64}),
        tokenizer,
        image_seq_len=4,
        chat_template=TEMPLATE,
    )
    config = untyped.Idefics3Config(
        vision_config={"hidden_size": 32, "image_size": 64, "patch_size": 16, **SHAPE},
        text_config=untyped.LlamaConfig(**_text(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    return _write(directory, untyped.Idefics3ForConditionalGeneration, config, processor)


def build_gemma3(directory: Path) -> Path:
    """Write a Gemma 3, which sees a picture with attention in both directions."""
    import transformers

    untyped: Any = transformers
    signs = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    template = TEMPLATE.replace("<image>", signs["boi_token"])
    tokenizer = _tokenizer(tuple(signs.values()), template, **signs)
    processor = untyped.Gemma3Processor(
        untyped.Gemma3ImageProcessorPil(size={"height": 64, "width": 64}), tokenizer, template, image_seq_length=4
    )
    config = untyped.Gemma3Config(
        vision_config={"hidden_size": 32, "image_size": 64, "patch_size": 16, **SHAPE},
        text_config={**_text(tokenizer), "num_key_value_heads": 2, "head_dim": 32, "sliding_window": 64},
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.convert_tokens_to_ids(signs["boi_token"]),
        eoi_token_index=tokenizer.convert_tokens_to_ids(signs["eoi_token"]),
        image_token_index=tokenizer.convert_tokens_to_ids(signs["image_token"]),
    )
    return _write(directory, untyped.Gemma3ForConditionalGeneration, config, processor)


MAKES: dict[str, Callable[[Path], Path]] = {"idefics3": build_idefics3, "gemma3": build_gemma3}
"""Models of other makes, whose processors write pictures into a prompt in other ways."""


def _tokenizer(signs: Sequence[str], template: str, **more: str) -> Any:
    """A character tokenizer with these signs for pictures; ``more`` are the names that a processor has for some."""
    import transformers
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    untyped: Any = transformers
    words = [*WORDS, *signs, *map(chr, range(32, 127)), "\n"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"red|blue|CLICK|button|task|[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = untyped.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<eos>",
        pad_token="<pad>",
        **({"extra_special_tokens": more} if more else {}),
    )
    fast.add_tokens(["<user>", *signs], special_tokens=True)
    fast.chat_template = template
    return fast


def _text(tokenizer: Any) -> dict[str, Any]:
    """The shape of the language side."""
    tokens = {"bos_token_id": None, "pad_token_id": 0, "eos_token_id": 1}
    return {"vocab_size": len(tokenizer), "hidden_size": 64, "max_position_embeddings": 512, **tokens, **SHAPE}


def _write(directory: Path, kind: Any, config: Any, processor: Any) -> Path:
    import torch

    torch.manual_seed(0)
    model = kind(config)
    for weights in model.parameters():
        if not bool(weights.any()) and weights.dim() > 1:
            torch.nn.init.normal_(weights, std=0.1)  # Gemma 3 begins blind: what leads from pictures to words is zero
    model.to(torch.bfloat16).save_pretrained(directory)
    processor.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def vision_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model."""
    return build_vision_base(tmp_path_factory.mktemp("vision") / "base")


def draw_square(color: str, at: int = 0) -> str:
    """A square of the color on a light ground, as a ``data:`` URL."""
    from PIL import Image, ImageDraw

    picture, file = Image.new("RGB", (80, 80), (240, 240, 240)), BytesIO()
    ImageDraw.Draw(picture).rectangle([at, at, at + 50, at + 50], fill=COLORS[color])
    picture.save(file, "PNG")
    return write_url(file.getvalue())


def key_of(number: int) -> str:
    """A content key."""
    return f"sha256:{number:064x}"


def color_examples(count: int) -> tuple[list[Example], dict[str, str]]:
    """Questions about squares with the right answers, and the pictures by their keys."""
    examples, media = [], dict[str, str]()
    for number in range(count):
        color = list(COLORS)[number % 2]
        media[key_of(number)] = url = draw_square(color, number % 25)
        content = add_marks(QUESTION, {key_of(number): url})
        examples.append(Example(({"role": "user", "content": content},), color, "correction"))
    return examples, media
