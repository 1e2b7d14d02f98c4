"""A picture to work on: a ferry on the water, drawn from nothing."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageDraw

_WIDTH, _HEIGHT = 960, 640
_HORIZON = 380


def ferry() -> bytes:
    """The picture, as JPEG."""
    picture = Image.new("RGB", (_WIDTH, _HEIGHT))
    pen = ImageDraw.Draw(picture)
    _sky_and_sea(pen)
    pen.ellipse((690, 90, 790, 190), fill=(255, 214, 120))
    _boat(pen)
    _waves(pen)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _sky_and_sea(pen: ImageDraw.ImageDraw) -> None:
    for y in range(_HEIGHT):
        share = y / _HEIGHT
        sky = (int(90 + 150 * share), int(150 + 70 * share), int(210 + 20 * share))
        sea = (int(20 + 20 * share), int(90 - 20 * share), int(130 - 20 * share))
        pen.line((0, y, _WIDTH, y), fill=sky if y < _HORIZON else sea)


def _boat(pen: ImageDraw.ImageDraw) -> None:
    pen.polygon([(220, 350), (740, 350), (690, 440), (280, 440)], fill=(196, 60, 50))
    pen.rectangle((290, 285, 670, 350), fill=(245, 245, 240))
    pen.rectangle((360, 235, 600, 285), fill=(230, 232, 235))
    pen.rectangle((450, 170, 510, 235), fill=(40, 60, 90))
    pen.rectangle((450, 185, 510, 200), fill=(245, 200, 70))
    for window in range(310, 650, 45):
        pen.rectangle((window, 305, window + 25, 328), fill=(70, 110, 150))


def _waves(pen: ImageDraw.ImageDraw) -> None:
    for row in range(8):
        y = _HORIZON + 40 + row * 27
        line = [(x, y + 6 * math.sin(x / 28 + row * 1.7)) for x in range(0, _WIDTH + 8, 8)]
        pen.line(line, fill=(150 - 8 * row, 195 - 10 * row, 215 - 10 * row), width=3)
