"""Tasks of BrowserGym, which has an environment of its own: its packages pin other versions of libraries than this program."""
