"""Asks the gateways through nginx for so many answers with some clients at once, and then looks each up in the log.

    python3 deploy/check/load.py URL KEY ANSWERS CLIENTS [FILE]

With FILE, the clients go on until there is that file, and ANSWERS is the most that they ask for.
A client does what the OpenAI client does: it asks again after a lost connection, 409, 429 or 5xx, here at most five times. It
prints one line of JSON, and exits with 1 where an answer that was given is not in the log, or a question got no answer.
"""

import collections
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Any

URL, KEY, ANSWERS, CLIENTS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
STOP = sys.argv[5] if len(sys.argv) > 5 else ""
TRIES = 6
HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}

lock = threading.Lock()
answered: list[dict[str, str]] = []
failed: list[str] = []
again: collections.Counter[str] = collections.Counter()


def ask(number: int) -> None:
    body = json.dumps({"model": "action", "messages": [{"role": "user", "content": f"question {number}"}]}).encode()
    for attempt in range(TRIES):
        try:
            request = urllib.request.Request(f"{URL}/v1/chat/completions", body, HEADERS)
            with urllib.request.urlopen(request, timeout=30) as reply:
                assert json.load(reply)["choices"][0]["message"]["content"] == "yes"
                with lock:
                    answered.append({name: reply.headers[f"x-grokputer-{name}"] for name in ("run", "arm", "adapter")})
                return
        except urllib.error.HTTPError as error:
            why = str(error.code)
            error.close()
            if error.code < 500 and error.code not in (409, 429):
                break
        except (OSError, ValueError) as error:
            why = type(error).__name__
        with lock:
            again[why] += 1
        time.sleep(0.5 * (attempt + 1))
    with lock:
        failed.append(why)


def client(first: int) -> None:
    for number in range(first, ANSWERS, CLIENTS):
        if STOP and os.path.exists(STOP):
            return
        ask(number)


def look_up(run: str) -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(f"{URL}/v1/runs/{run}", headers=HEADERS), timeout=30) as reply:
        found: dict[str, Any] = json.load(reply)
        return found


threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
known = [look_up(it["run"]) for it in answered]
whole = sum(it["has_ended"] and it["answer"] == "yes" for it in known)
arms = collections.Counter(f"{it['arm']} {it['adapter']}" for it in answered)
print(
    json.dumps({"answered": len(answered), "failed": failed, "asked_again": again, "in_the_log": whole, "arms": arms})
)
sys.exit(bool(failed) or whole != len(answered) or not answered)
