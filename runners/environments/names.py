"""The names of the environments that come with the program; runs record them, so they never change."""

CHAT = "chat"
MINIWOB = "miniwob"
SHELL = "shell"
BFCL = "bfcl"
WEB = "web"
BROWSE = "browse"
DESKTOP = "desktop"
LONG = "long"
BROWSERGYM = "browsergym"

OF_COMMANDS = (SHELL,)
"""The program's environments whose actions are commands. Folders of tasks are such environments too."""
