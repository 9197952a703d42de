"""Own tasks on pages, as plain files: a folder with ``task.toml`` that names a URL."""
