"""An endpoint that answers each question after a tenth of a second: it stands for the model behind the gateways."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = ("mock", "lora-v1", "lora-v2")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send({"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        time.sleep(0.1)
        answer = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}
        usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
        self.send(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": asked["model"],
                "choices": [answer],
                "usage": usage,
            }
        )

    def send(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


ThreadingHTTPServer.request_queue_size = 200
ThreadingHTTPServer(("0.0.0.0", 9000), Handler).serve_forever()
