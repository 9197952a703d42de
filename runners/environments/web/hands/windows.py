"""What the agent does to the browser itself: answers to dialogs, files that are given to a page, and the browser's own keys."""

from __future__ import annotations

from ..browser.connection import CommandFailed
from ..browser.visit import Visit


def answer_dialog(visit: Visit, *, is_accepted: bool) -> None:
    """Answer the open dialog, and let the page go on."""
    dialog, visit.dialog = visit.dialog, None
    if dialog is not None:
        text = {"promptText": dialog.answer} if dialog.kind == "prompt" else {}
        visit.connection.send("Page.handleJavaScriptDialog", dialog.session, accept=is_accepted, **text)  # type: ignore[arg-type]


def choose_file(visit: Visit, name: str) -> str:
    """Answer the page's request for files with a file of the run's folder."""
    chooser, visit.chooser = visit.chooser, None
    return "" if chooser is None else give_file(visit, chooser.session, chooser.node, name)


def give_file(visit: Visit, session: str, node: int, name: str) -> str:
    """Put the file of the run's folder into the field. Why not, in words; empty where it was."""
    if name not in visit.downloads.files():
        return f"there is no file {name[:60]!r} in the folder of this run"
    files = [str(visit.downloads.folder / name)]
    try:
        visit.ask("DOM.setFileInputFiles", session, files=files, backendNodeId=node)
    except CommandFailed:
        return "the field is no longer there"
    return ""


def use_key(visit: Visit, name: str) -> str:
    """Do what the browser's own keys do: go back or forward, reload, close the tab, open one."""
    if name == "close" and len(visit.tabs) == 1:
        return "it is the last tab, which stays open; DONE ends the run"
    if name == "close":
        visit.close_tab(visit.tab)
    elif name == "new":
        visit.open_tab()
    elif name == "reload":
        visit.ask("Page.reload")
    else:
        history = visit.ask("Page.getNavigationHistory") or {"entries": [], "currentIndex": 0}
        index = history["currentIndex"] + (-1 if name == "back" else 1)
        if not 0 <= index < len(history["entries"]) or history["entries"][index]["url"] == "about:blank":
            return f"there is no page to go {name} to"
        visit.ask("Page.navigateToHistoryEntry", entryId=history["entries"][index]["id"])
    return ""
