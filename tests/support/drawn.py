"""Pictures with words, drawn in a font that comes with matplotlib, so that they are the same on every machine."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

Texts = list[tuple[int, int, str]]
"""Each with the place of its left upper corner."""


def draw_png(texts: Texts, size: tuple[int, int] = (420, 160), *, points: int = 14, is_dark: bool = False) -> bytes:
    """The picture as PNG."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), points)
    ground, ink = ((45, 45, 45), (238, 238, 238)) if is_dark else ((246, 245, 244), (20, 20, 20))
    image = Image.new("RGB", size, ground)
    for x, y, text in texts:
        ImageDraw.Draw(image).text((x, y), text, fill=ink, font=font)
    return pack(image)


def pack(image: object) -> bytes:
    """The picture of Pillow as PNG."""
    file = BytesIO()
    image.save(file, "PNG")  # type: ignore[attr-defined]
    return file.getvalue()
