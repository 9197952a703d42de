"""The gateway: an OpenAI-compatible HTTP server that routes each request to an arm, and records it before its answer ends."""
