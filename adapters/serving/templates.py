"""Chat templates by name, for a base that has none of its own, and the check of a template from a file.

Adapters are bound to the text of their template. So a named text never changes: a better one gets another name.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from ...domain.errors import ModelError

ALPACA = (
    "{% set ns = namespace(system='') %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}"
    "{% set ns.system = ns.system + ('\\n\\n' if ns.system else '') + message['content'] %}"
    "{% elif message['role'] == 'user' %}"
    "{% if ns.system %}"
    "{{ 'Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\\n\\n### Instruction:\\n' + ns.system"
    " + '\\n\\n### Input:\\n' + message['content'] + '\\n\\n### Response:\\n' }}{% set ns.system = '' %}"
    "{% else %}"
    "{% if loop.first %}{{ 'Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\\n\\n' }}{% endif %}"
    "{{ '### Instruction:\\n' + message['content'] + '\\n\\n### Response:\\n' }}"
    "{% endif %}"
    "{% else %}{{ message['content'] + eos_token + '\\n\\n' }}{% endif %}"
    "{% endfor %}"
)
"""Source: https://github.com/tatsu-lab/stanford_alpaca#data-release. A system turn is the instruction, and the user's turn
after it the input."""

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""Source: OpenAI, chat markup language, 2023."""

LLAMA2 = (
    "{% set ns = namespace(system='', begun=false) %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}"
    "{% set ns.system = ns.system + '<<SYS>>\\n' + message['content'] + '\\n<</SYS>>\\n\\n' %}"
    "{% elif message['role'] == 'user' %}"
    "{{ (bos_token or '' if ns.begun else '') + '[INST] ' + ns.system + message['content'] + ' [/INST]' }}"
    "{% set ns.system = '' %}{% set ns.begun = true %}"
    "{% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)
"""Source: https://huggingface.co/meta-llama/Llama-2-7b-chat-hf, its chat template."""

TEMPLATES = {"alpaca": ALPACA, "chatml": CHATML, "llama2": LLAMA2}
"""The texts of the templates by name."""

MOST_CHARACTERS = 100_000
"""Characters of a template from a file, at most; chosen: the longest templates of models have a tenth."""

_MARK = "question"
_GENERATION = re.compile(r"\{%-?\s*(end)?generation\s*-?%\}")


def check_template(text: str) -> None:
    """Raise ``ModelError`` unless the text is a Jinja template that writes a user's turn. Without Jinja only its length is
    checked."""
    if len(text) > MOST_CHARACTERS:
        raise ModelError(f"the chat template has {len(text)} characters, and {MOST_CHARACTERS} at most are taken")
    if find_spec("jinja2") is None:
        return
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(reason: str) -> None:
        raise TemplateError(reason)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals.update(raise_exception=refuse, strftime_now=str)
    text = _GENERATION.sub("", text)  # a tag of transformers for training, which has no part in the words
    turns = [{"role": "user", "content": _MARK}]
    try:
        rendered = environment.from_string(text).render(
            messages=turns, add_generation_prompt=True, bos_token="", eos_token="", tools=None, documents=None
        )
    except Exception as error:  # a template is a program of somebody else's, and may fail in any way
        line = getattr(error, "lineno", None)
        words = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"the chat template does not work: {words}{f' (line {line})' if line else ''}") from error
    if _MARK not in rendered:
        raise ModelError("the chat template leaves the user's words out; it must write each message['content']")


def use_template(tokenizer: Any, text: str) -> None:
    """Give the tokenizer the template. A named one begins each text as the tokenizer itself does."""
    begins = tokenizer("x")["input_ids"][:1] == [tokenizer.bos_token_id] and tokenizer.bos_token_id is not None
    is_named = text in TEMPLATES.values()
    tokenizer.chat_template = "{{ bos_token }}" + text if is_named and begins else text
