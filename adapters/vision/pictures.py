"""Pictures of strangers, decoded within bounds."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from ...domain.errors import ModelError
from ...domain.page.media import MOST_PIXELS, BadMedia, read_url

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
TOO_LARGE = f"a picture has more than {MOST_PIXELS // 1_000_000} million pixels, which is the most; scale it down"


def open_picture(url: str) -> Image:
    """The picture in the ``data:`` URL, in three colours. Raises ``ModelError``."""
    from PIL import Image

    try:
        picture = Image.open(BytesIO(read_url(url)[1]), formats=FORMATS)
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise ModelError(TOO_LARGE)
        return picture.convert("RGB")
    except Image.DecompressionBombError:
        raise ModelError(TOO_LARGE) from None
    except BadMedia as error:
        raise ModelError(f"a picture cannot be read: {error}") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # a damaged file
        raise ModelError(f"a picture cannot be read: {' '.join(str(error).split())}") from None
