"""The connection to an endpoint of OpenAI's API, whose answers end."""
