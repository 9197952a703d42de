"""The names of the environments that come with the program; runs record them, so they never change."""

CHAT = "chat"
MINIWOB = "miniwob"
SHELL = "shell"
BFCL = "bfcl"
