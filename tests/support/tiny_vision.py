"""A vision model small enough to train in seconds: a LLaVA of CLIP and Llama with random weights, and pictures for it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from grokputer.adapters.data.examples import Example
from grokputer.domain.page.media import add_marks, write_url

COLORS = {"red": (220, 30, 30), "blue": (30, 60, 220)}
WORDS = (
    *("<pad>", "<eos>", "<user>", "<image>", "red", "blue"),
    *("CLICK", "button", "task"),
)
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<user>{% endif %}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}<eos>{% endif %}{% endfor %}"
)
QUESTION = "which color?"


def build_vision_base(directory: Path) -> Path:
    """Write the model, its processor and a character tokenizer into the folder."""
    import torch
    import transformers
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    untyped: Any = transformers
    vocabulary = {word: i for i, word in enumerate([*WORDS, *map(chr, range(32, 127)), "\n"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"red|blue|CLICK|button|task|[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = untyped.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<eos>",
        pad_token="<pad>",
        additional_special_tokens=["<user>", "<image>"],
    )
    fast.chat_template = TEMPLATE
    size = {"height": 64, "width": 64}
    processor = untyped.LlavaProcessor(
        image_processor=untyped.CLIPImageProcessor(size={"shortest_edge": 64}, crop_size=size),
        tokenizer=fast,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
        image_token="<image>",
    )
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_range": 0.1,
    }
    model = untyped.LlavaForConditionalGeneration(
        untyped.LlavaConfig(
            vision_config=untyped.CLIPVisionConfig(
                hidden_size=32, image_size=64, patch_size=16, projection_dim=32, **shape
            ),
            text_config=untyped.LlamaConfig(
                vocab_size=len(vocabulary),
                hidden_size=64,
                max_position_embeddings=512,
                bos_token_id=None,
                pad_token_id=0,
                eos_token_id=1,
                **shape,
            ),
            image_token_index=vocabulary["<image>"],
            vision_feature_layer=-1,
        )
    )
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
