"""Pictures in, pictures out. Nothing here knows of AWS."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence

from PIL import Image, ImageOps

PNG = "image/png"
_GAP = 8
_PAPER = (250, 248, 242)
_RENDITIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "1-plain": lambda picture: picture,
    "2-mirrored": ImageOps.mirror,
    "3-grey": ImageOps.grayscale,
    "4-sepia": lambda picture: ImageOps.colorize(ImageOps.grayscale(picture), (50, 30, 15), (255, 240, 210)),
    "5-poster": lambda picture: ImageOps.posterize(picture, 2),
    "6-negative": ImageOps.invert,
}


def thumbnails(picture: bytes, width: int) -> Iterator[tuple[str, bytes]]:
    """Small renditions of a picture, all of one width in pixels."""
    with Image.open(io.BytesIO(picture)) as opened:
        small = _scaled(opened.convert("RGB"), width)
    for name, render in _RENDITIONS.items():
        yield f"{name}.png", _png(render(small))


def contact_sheet(pictures: Sequence[bytes], columns: int) -> bytes:
    """All pictures on one sheet, so many to a row."""
    opened = [Image.open(io.BytesIO(picture)) for picture in pictures]
    cell_width, cell_height = max(item.width for item in opened), max(item.height for item in opened)
    rows = -(-len(opened) // columns)
    size = (columns * (cell_width + _GAP) + _GAP, rows * (cell_height + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    for number, item in enumerate(opened):
        row, column = divmod(number, columns)
        sheet.paste(item, (_GAP + column * (cell_width + _GAP), _GAP + row * (cell_height + _GAP)))
    return _png(sheet)


def _scaled(picture: Image.Image, width: int) -> Image.Image:
    height = max(1, round(picture.height * width / picture.width))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
