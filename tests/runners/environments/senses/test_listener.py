"""The listener hears what was said, says how sure it is, and refuses what is no audio before anything is loaded."""

from __future__ import annotations

import io
import json
import math
import wave
from pathlib import Path

import pytest
from speech_server import RECORDING, SpeechServer

from grokputer.domain.errors import BadAudio, ModelError
from grokputer.domain.page.media import write_url
from grokputer.domain.settings.settings import BadSetting, Policy, check_setting
from grokputer.runners.environments.senses.local_listener import LocalListener
from grokputer.runners.environments.senses.remote_listener import RemoteListener
from grokputer.runners.environments.senses.sound import RATE, find_format, unpack
from grokputer.runners.environments.senses.speech import Transcript
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.wiring.senses import open_listener
from grokputer.runners.wiring.services import Services


def recording(seconds: float, rate: int = RATE, channels: int = 1) -> bytes:
    """A tone of 440 Hz."""
    samples = [round(9000 * math.sin(2 * math.pi * 440 * number / rate)) for number in range(round(seconds * rate))]
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(channels)
        written.setsampwidth(2)
        written.setframerate(rate)
        written.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) * channels for sample in samples))
    return file.getvalue()


@pytest.fixture(scope="module")
def listener() -> LocalListener:
    return LocalListener()


@pytest.fixture(scope="module")
def heard(listener: LocalListener) -> Transcript:
    return listener.transcribe(RECORDING)


def test_a_spoken_task_is_heard_with_confidence(heard: Transcript) -> None:
    assert heard.text == "Open the file manager."
    assert heard.seconds == pytest.approx(1.825, abs=0.01)
    assert heard.confidence is not None and 0.75 < heard.confidence <= 1


def test_what_was_heard_of_a_task_is_said_with_its_confidence(heard: Transcript, tmp_path: Path) -> None:
    said: list[str] = []
    ledger = Ledger.create(tmp_path / "events.db")
    with Services(ledger, load_state(ledger), said.append) as services:
        assert services.transcribe(write_url(RECORDING.read_bytes())) == heard.text
    assert said == [f'heard, with confidence {heard.confidence:.2f}: "Open the file manager."']


def test_the_same_recording_gives_the_same_words_as_bytes_and_as_a_file(
    listener: LocalListener, heard: Transcript
) -> None:
    assert listener.transcribe(RECORDING.read_bytes()) == heard


def test_silence_has_no_words_and_no_confidence(listener: LocalListener) -> None:
    assert listener.transcribe(silence()) == Transcript("", 0.0, 1.0)


def silence() -> bytes:
    """A second without a sound."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, RATE, 0, "NONE", ""))
        written.writeframes(bytes(2 * RATE))
    return file.getvalue()


def test_a_silent_task_says_what_to_give_instead(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    with (
        Services(ledger, load_state(ledger), lambda line: None) as services,
        pytest.raises(
            ModelError, match="no words were heard in this one; give a recording of clear speech, or the task"
        ),
    ):
        services.transcribe(write_url(silence()))


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_samples_are_resampled_and_channels_are_mixed(rate: int) -> None:
    import numpy

    samples = unpack(recording(0.5, rate, channels=2), 10)
    assert len(samples) == pytest.approx(0.5 * RATE, abs=40)
    loudest = numpy.abs(numpy.fft.rfft(samples)).argmax() * RATE / len(samples)
    assert loudest == pytest.approx(440, abs=5)


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (b"", "no recording in a known format; give WAV, FLAC, Ogg, MP3, MP4 or WebM"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "no recording in a known format"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "no recording in a known format"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "damaged|no sound"),
        (b"fLaC" + bytes(200), "damaged|no sound"),
        (b"OggS" + b"#EXTM3U\n" * 20, "damaged|no sound"),
        (recording(0), "no sound"),
        (bytes(26 << 20), "more than the 26214400 bytes"),
    ],
    ids=["nothing", "playlist", "list", "wav", "flac", "ogg", "empty", "large"],
)
def test_what_is_no_audio_is_refused_in_one_line(listener: LocalListener, audio: bytes, words: str) -> None:
    with pytest.raises(BadAudio, match=words):
        listener.transcribe(audio)


def test_a_recording_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadAudio, match="longer than 1 seconds"):
        LocalListener(max_seconds=1).transcribe(recording(1.5))


def test_a_file_that_is_not_there_is_refused(listener: LocalListener, tmp_path: Path) -> None:
    with pytest.raises(BadAudio, match="there is no file"):
        listener.transcribe(tmp_path / "speech.wav")
    with pytest.raises(BadAudio, match="there is no file"):
        listener.transcribe(tmp_path)


def test_formats_are_known_by_their_first_bytes() -> None:
    known = {
        b"\xff\xfb\x90\x00": "MP3",
        b"ID3\x04": "MP3",
        b"\x00\x00\x00\x20ftypM4A ": "MP4",
        b"\x1a\x45\xdf\xa3": "WebM",
    }
    assert {begin: find_format(begin + bytes(20)) for begin in known} == known
    with pytest.raises(BadAudio):
        find_format(b"\xff\xd8\xff\xe0" + bytes(20))  # a JPEG


def test_a_folder_that_is_no_whole_model_is_refused_and_nothing_is_fetched_for_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no folder"):
        LocalListener(tmp_path / "none").transcribe(RECORDING)
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"lacks config.json, tokenizer.json"):
        LocalListener(tmp_path).transcribe(RECORDING)
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded"):
        LocalListener(tmp_path).transcribe(RECORDING)


def test_an_endpoint_is_asked_with_its_own_key_and_tells_its_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKPUTER_AUDIO_KEY", "sk-audio-1")
    answer = {"text": "Open the\nfile manager.", "segments": [{"avg_logprob": -0.1}, {"avg_logprob": -0.5}]}
    with SpeechServer(json.dumps(answer).encode()) as server:
        told = open_listener(Policy({"audio.endpoint": server.url})).transcribe(RECORDING)
    assert told.text == "Open the file manager."
    assert told.confidence == pytest.approx(math.exp(-0.5))
    assert told.seconds == pytest.approx(1.825, abs=0.01)
    assert server.keys == ["Bearer sk-audio-1"]
    assert b"whisper-1" in server.bodies[0] and RECORDING.read_bytes() in server.bodies[0]


def test_an_endpoint_that_tells_no_likelihoods_leaves_the_confidence_unknown() -> None:
    with SpeechServer(b'{"text": "Save as."}') as server:
        assert RemoteListener(server.url, "gpt-4o-transcribe").transcribe(RECORDING).confidence is None
        assert RemoteListener(server.url).transcribe(RECORDING).confidence is None


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (
            401,
            b'{"error": {"message": "sk-audio-1 is wrong"}}',
            "it refused the API key; check the environment variable",
        ),
        (404, b"{}", "HTTP 404; check audio.model and that the server has /audio/transcriptions"),
        (200, b'["Save"]', "its reply has no transcript"),
        (200, b"<html>", "its reply is no transcript"),
    ],
)
def test_an_endpoint_that_does_not_hear_is_one_line_without_the_key(status: int, answer: bytes, words: str) -> None:
    with SpeechServer(answer, status) as server, pytest.raises(ModelError, match=words) as failed:
        RemoteListener(server.url, key_variable="GROKPUTER_AUDIO_KEY").transcribe(RECORDING)
    assert "sk-audio-1" not in str(failed.value)


def test_an_endpoint_gets_nothing_that_is_no_audio() -> None:
    with SpeechServer(b"{}") as server, pytest.raises(BadAudio):
        RemoteListener(server.url).transcribe(b"secret words")
    assert server.bodies == []


def test_the_endpoint_of_the_settings_takes_no_key() -> None:
    with pytest.raises(BadSetting, match="a key comes from GROKPUTER_AUDIO_KEY, never from here"):
        check_setting("audio.endpoint", "https://user:key@example.org/v1")
