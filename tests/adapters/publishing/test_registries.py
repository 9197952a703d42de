"""Adapters are published whole or not at all, under a name that never means other weights, and pulled only as they were.

The same holds for a folder, for the Hugging Face Hub and, in the slow tests, for servers that speak the protocols of S3 and of
Azure's blobs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import obstore
import pytest
from azure_server import VARIABLES as AZURE
from azure_server import azure_server
from hub_repositories import TOKEN, HubRepositories
from s3_server import VARIABLES, s3_server

from grokputer.adapters.publishing.exchange import pull, push
from grokputer.adapters.publishing.hub import HubRegistry
from grokputer.adapters.publishing.objects import Bucket, Folder
from grokputer.adapters.publishing.registry import ObjectRegistry
from grokputer.adapters.registry.local import SUMS, WeightStore
from grokputer.domain.errors import DamagedWeights, RegistryError, RegistryTaken
from grokputer.domain.ports import Publication, PublishedAdapters

# huggingface_hub uploads large files in a form that its HTTP library no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

SECRET = VARIABLES["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server("adapters") as url:
        yield url


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azure_server("adapters", tmp_path_factory.mktemp("azure")) as url:
        yield url


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubRepositories]:
    with HubRepositories() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        files = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


def at_s3(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    set_all(monkeypatch, {**VARIABLES, "AWS_ENDPOINT_URL": url})


def at_azure(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    set_all(monkeypatch, {**AZURE, "AZURE_STORAGE_ENDPOINT": url})


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)  # the tests' folder has no certificates, and obstore wants some
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["folder", "hub", *(pytest.param(name, marks=pytest.mark.slow) for name in ("s3", "azure"))])
def registry(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedAdapters:
    """An empty registry of each kind."""
    if request.param == "folder":
        return ObjectRegistry(Folder(tmp_path / "registry"))
    if request.param == "hub":
        request.getfixturevalue("hub")
        return HubRegistry("hf://me/adapters")
    at = at_s3 if request.param == "s3" else at_azure
    at(monkeypatch, request.getfixturevalue(request.param))
    scheme, place = "s3" if request.param == "s3" else "az", hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]
    return ObjectRegistry(Bucket(f"{scheme}://adapters/{place}"))


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "weights")


def adapter(store: WeightStore, name: str = "lora-v1", content: bytes = b"tensors") -> Publication:
    """An adapter whose weights are stored."""
    folder = store.root.parent / f"new-{len(list(store.root.parent.iterdir()))}"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(content)
    (folder / "adapter_config.json").write_text("{}")
    return Publication(
        name, store.put(folder).hash, {"role": "action", "parent": None}, "---\ntags: [lora]\n---\n# Card\n"
    )


def published(registry: PublishedAdapters, store: WeightStore, it: Publication) -> bool:
    return push(registry, it, store.path(it.weights))


def test_a_pushed_adapter_comes_back_on_another_machine_as_it_was(
    registry: PublishedAdapters, store: WeightStore, tmp_path: Path
) -> None:
    it = adapter(store, content=os.urandom(3_000_000))
    assert registry.find(it.name) is None
    assert published(registry, store, it)
    other = WeightStore(tmp_path / "other machine")
    came = pull(registry, other, it.name, it.weights, tmp_path)
    want = store.path(it.weights)
    assert {file.name: file.read_bytes() for file in came.iterdir()} == {
        file.name: file.read_bytes() for file in want.iterdir()
    }
    assert registry.find(it.name) == it.weights


def test_pushing_again_changes_nothing(registry: PublishedAdapters, store: WeightStore) -> None:
    it = adapter(store)
    assert [published(registry, store, it) for _ in range(3)] == [True, False, False]


def test_several_processes_that_push_one_adapter_at_once_push_one(
    registry: PublishedAdapters, store: WeightStore, tmp_path: Path
) -> None:
    it = adapter(store)
    with ThreadPoolExecutor(6) as threads:
        done = list(threads.map(lambda _: published(registry, store, it), range(6)))
    assert sum(done) == 1
    assert pull(registry, WeightStore(tmp_path / "other"), it.name, it.weights, tmp_path)


def test_a_name_never_gets_other_weights(registry: PublishedAdapters, store: WeightStore) -> None:
    first, second = adapter(store), adapter(store, content=b"other")
    published(registry, store, first)
    with pytest.raises(RegistryTaken, match="another adapter as lora-v1"):
        published(registry, store, second)
    assert registry.find("lora-v1") == first.weights
    with pytest.raises(RegistryTaken, match="has other weights as lora-v1"):
        pull(registry, WeightStore(store.root / "x"), "lora-v1", second.weights, store.root)


def test_several_adapters_do_not_mix(registry: PublishedAdapters, store: WeightStore, tmp_path: Path) -> None:
    both = [adapter(store), adapter(store, "lora-v2", b"other")]
    for it in both:
        published(registry, store, it)
    for it in both:
        came = pull(registry, WeightStore(tmp_path / it.name), it.name, it.weights, tmp_path)
        assert (came / "adapter_model.safetensors").read_bytes() == (b"other" if it is both[1] else b"tensors")


def test_what_is_not_there_is_one_line_that_names_the_registry(
    registry: PublishedAdapters, store: WeightStore, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError) as refused:
        pull(registry, store, "lora-v9", f"sha256:{'0' * 64}", tmp_path)
    assert registry.place in str(refused.value) and "lora-v9" in str(refused.value)
    assert not list(tmp_path.glob(".incoming*"))


@pytest.mark.parametrize("damage", ["change", "truncate", "sums"])
def test_a_registry_that_gives_other_bytes_is_not_believed(store: WeightStore, tmp_path: Path, damage: str) -> None:
    registry, it = ObjectRegistry(Folder(tmp_path / "registry")), adapter(store)
    published(registry, store, it)
    folder = tmp_path / "registry/weights" / it.weights.removeprefix("sha256:")
    file = folder / (SUMS if damage == "sums" else "adapter_model.safetensors")
    file.write_bytes(b"" if damage == "truncate" else b"tensorz")
    other = WeightStore(tmp_path / "other")
    with pytest.raises(DamagedWeights, match=f"{file.name} of lora-v1 in .* differs from what the log has"):
        pull(registry, other, it.name, it.weights, tmp_path)
    assert other.hashes() == []


@pytest.mark.parametrize("file", ["weights.pkl", "run.py", "../adapter.json", ".hidden.json", "notes.md"])
def test_only_safetensors_and_json_are_taken_even_where_the_hash_is_right(tmp_path: Path, file: str) -> None:
    sums = f"{hashlib.sha256(b'x').hexdigest()}  {file}\n".encode()
    hash = hashlib.sha256(sums).hexdigest()
    folder = tmp_path / "registry/weights" / hash
    folder.mkdir(parents=True)
    (folder / SUMS).write_bytes(sums)
    (folder / file).write_bytes(b"x")
    with pytest.raises(DamagedWeights, match=r"is refused; an adapter has files \.safetensors and \.json alone"):
        pull(
            ObjectRegistry(Folder(tmp_path / "registry")),
            WeightStore(tmp_path / "w"),
            "lora-v1",
            f"sha256:{hash}",
            tmp_path,
        )


class Dying(Folder):
    """A folder whose process is killed before it has stored so many objects."""

    def __init__(self, root: Path, left: int) -> None:
        super().__init__(root)
        self.left = left

    def create(self, key: str, content: bytes) -> bool:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().create(key, content)


@pytest.mark.parametrize("left", range(5))
def test_a_push_killed_anywhere_leaves_nothing_that_looks_whole_and_the_next_completes_it(
    store: WeightStore, tmp_path: Path, left: int
) -> None:
    it, root = adapter(store), tmp_path / "registry"
    with pytest.raises(KeyboardInterrupt):
        published(ObjectRegistry(Dying(root, left)), store, it)
    registry = ObjectRegistry(Folder(root))
    assert registry.find(it.name) is None
    assert (root / "weights" / it.weights.removeprefix("sha256:") / SUMS).exists() == (left >= 3)
    assert published(registry, store, it)
    assert pull(registry, WeightStore(tmp_path / "other"), it.name, it.weights, tmp_path)


def test_foreign_bytes_under_the_hash_are_named_and_not_replaced(store: WeightStore, tmp_path: Path) -> None:
    it = adapter(store)
    foreign = tmp_path / "registry/weights" / it.weights.removeprefix("sha256:") / "adapter_config.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("foreign")
    with pytest.raises(RegistryTaken, match=r"has other bytes as weights/.*adapter_config\.json; remove them"):
        published(ObjectRegistry(Folder(tmp_path / "registry")), store, it)
    assert foreign.read_text() == "foreign"


def test_a_card_and_the_facts_lie_beside_the_name(store: WeightStore, tmp_path: Path) -> None:
    it = adapter(store)
    published(ObjectRegistry(Folder(tmp_path / "registry")), store, it)
    assert (tmp_path / "registry/adapters/lora-v1.md").read_text() == it.card
    assert f'"weights": "{it.weights}"' in (tmp_path / "registry/adapters/lora-v1.json").read_text()


def test_each_tag_of_the_hub_is_one_adapter_with_its_card_and_no_file_of_another(
    hub: HubRepositories, store: WeightStore
) -> None:
    registry = HubRegistry("hf://me/adapters")
    for it in (adapter(store), adapter(store, "lora-v2", b"other")):
        published(registry, store, it)
    repository = hub.repositories["me/adapters"]
    for name in ("lora-v1", "lora-v2"):
        files = repository.commits[repository.refs[name]]
        assert sorted(files) == [
            ".gitattributes", "README.md", SUMS, "adapter_config.json", "adapter_model.safetensors", "grokputer.json",
        ]  # fmt: skip


def test_a_commit_that_was_overtaken_is_made_again(hub: HubRepositories, store: WeightStore) -> None:
    registry = HubRegistry("hf://me/adapters")
    first, second = adapter(store), adapter(store, "lora-v2", b"other")
    hub.before_commit = lambda: hub.repositories["me/adapters"].add({"stray.bin": b"of another"})
    published(registry, store, first)
    published(registry, store, second)
    files = hub.repositories["me/adapters"]
    assert "stray.bin" not in files.commits[files.refs["lora-v1"]]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_hub_that_refuses_is_one_line_without_the_token(
    hub: HubRepositories, store: WeightStore, status: int
) -> None:
    hub.fails_with = status
    with pytest.raises(RegistryError, match="hf://me/adapters cannot be used") as refused:
        published(HubRegistry("hf://me/adapters"), store, adapter(store))
    assert TOKEN not in str(refused.value)


def test_a_bucket_that_cannot_be_reached_is_one_line_without_the_secret(
    store: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_s3(monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(RegistryError, match="s3://adapters/x cannot be used") as refused:
        published(ObjectRegistry(Bucket("s3://adapters/x")), store, adapter(store))
    assert SECRET not in str(refused.value) and SECRET not in repr(Bucket("s3://adapters/x")._store)


class _NoBucket(BaseHTTPRequestHandler):
    """Answers as S3 does where there is no such bucket."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        words = b"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"
        self.send_response(404)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_missing_bucket_is_named_and_never_an_empty_registry(
    store: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HTTPServer(("127.0.0.1", 0), _NoBucket) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        at_s3(monkeypatch, f"http://127.0.0.1:{server.server_port}")
        bucket = Bucket("s3://nowhere/x")
        for use in (lambda: ObjectRegistry(bucket).find("lora-v1"), lambda: bucket.create("a/b", b"one")):
            with pytest.raises(RegistryError, match="there is no bucket nowhere; make it there, or set registry"):
                use()
        server.shutdown()


@pytest.mark.parametrize(
    ("url", "variable"), [("s3://a/x", "AWS_ACCESS_KEY_ID"), ("gs://a/x", "GOOGLE_SERVICE_ACCOUNT")]
)
def test_a_bucket_without_keys_names_the_variables(url: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    asked = "Error performing PUT http://169.254.169.254/latest/api/token in 4 ms: 403 Forbidden"
    with pytest.raises(RegistryError, match=f"has no keys here; set {variable}"), Bucket(url)._errors():
        raise OSError(asked)


def test_a_machine_without_certificates_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_s3(monkeypatch, "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(
        RegistryError, match=r"no certificates of authorities; install them \(Debian: ca-certificates\)$"
    ):
        Bucket("s3://adapters/demo").create("x", b"1")


def test_a_file_is_no_empty_registry(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(RegistryError, match="is a file; give a folder"):
        ObjectRegistry(Folder(file)).find("lora-v1")


@pytest.fixture(params=["s3", "az"])
def scheme(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A scheme whose URLs lead to the server of this machine."""
    if request.param == "s3":
        at_s3(monkeypatch, request.getfixturevalue("s3"))
    else:
        at_azure(monkeypatch, request.getfixturevalue("azure"))
    return str(request.param)


@pytest.mark.slow
def test_a_bucket_refuses_a_second_object_under_a_key(scheme: str) -> None:
    bucket = Bucket(f"{scheme}://adapters/twice")
    assert [bucket.create("a/b", content) for content in (b"one", b"two")] == [True, False]
    assert b"".join(bucket.read("a/b") or ()) == b"one"
    assert bucket.read("a/c") is None
    assert [it["path"] for page in obstore.list(bucket._store) for it in page] == ["a/b"]


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_one_line(scheme: str, store: WeightStore) -> None:
    with pytest.raises(RegistryError, match=f"{scheme}://nowhere/x cannot be used: there is no bucket nowhere"):
        published(ObjectRegistry(Bucket(f"{scheme}://nowhere/x")), store, adapter(store))


@pytest.mark.parametrize("wall", [Path("/dev/null/registry"), Path("/proc/registry")])
def test_a_folder_that_cannot_be_written_is_one_line(store: WeightStore, wall: Path) -> None:
    with pytest.raises(RegistryError, match=f"{wall} cannot be used"):
        published(ObjectRegistry(Folder(wall)), store, adapter(store))
