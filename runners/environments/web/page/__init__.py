"""From what the browser shows to the lines of a page."""
