"""Images as they may be shown to the world: decoded within limits and written anew, so that nothing travels along."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass

import PIL
from django.utils.translation import gettext as _
from PIL import Image, ImageOps, ImageSequence

from core.errors import EspError

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_FRAMES = 200
MAX_PIXELS_OF_ALL_FRAMES = 60_000_000
# Twice the width of the widest letter, for screens with small pixels.
WIDEST = 1_600
KINDS = {"PNG": "png", "JPEG": "jpg", "GIF": "gif", "WEBP": "webp"}
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif"}
_MARKUP = re.compile(rb"<(?:(?:script|html|svg|body|iframe)[\s>/]|!doctype\b|\?php)", re.IGNORECASE)
# What the decoders raise about files that are broken, by accident or on purpose.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error)
# Asked by ourselves, with a sentence of our own, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


class ImageError(EspError):
    """A file that is not taken; the sentence says why and what to do."""

    code = "image"
    status = 422


@dataclass(frozen=True, slots=True)
class Recoded:
    """An image of our own making."""

    kind: str
    width: int
    height: int
    data: bytes


def recode(data: bytes) -> Recoded:
    """Return a PNG, JPEG, GIF or WebP file written anew: without what was hidden in it, at most 1,600 pixels wide.

    WebP becomes JPEG, PNG or GIF, because desktop mail programs do not show it.

    Raises:
        ImageError: it is none of these, it is broken, or it is too large.
    """
    if len(data) > MAX_BYTES:
        raise ImageError(_("This file is larger than 10 MB. Make it smaller, and upload it again."))
    try:
        with Image.open(io.BytesIO(data), formats=tuple(KINDS)) as image:
            _check_size(image)
            if _MARKUP.search(data):
                raise ImageError(
                    _("Something other than an image is hidden in this file. Save it anew in an image program.")
                )
            return _moving(image) if getattr(image, "is_animated", False) else _still(image)
    except PIL.UnidentifiedImageError:
        raise ImageError(
            _("This is no PNG, JPEG, GIF or WebP image. SVG is not taken, because it can carry programs.")
        ) from None
    except _BROKEN:
        raise ImageError(_("This image cannot be read; it may be broken. Save it anew, and upload it again.")) from None


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if not width or not height or width * height > MAX_PIXELS:
        raise ImageError(
            _("This image has %(width)d × %(height)d pixels. Up to 40 million are taken; emails need far fewer.")
            % {"width": width, "height": height}
        )
    frames = int(getattr(image, "n_frames", 1))
    if frames > MAX_FRAMES or frames * width * height > MAX_PIXELS_OF_ALL_FRAMES:
        raise ImageError(
            _("This moving image has too many pictures, or they are too large. Make it shorter or smaller.")
        )


def _still(image: Image.Image) -> Recoded:
    written_as = image.format or ""
    if written_as == "JPEG":
        image.draft("RGB", (2 * WIDEST, 2 * WIDEST))  # large photographs are not decoded to the last pixel
    upright = ImageOps.exif_transpose(image)
    has_alpha = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
    plain = upright.convert("RGBA" if has_alpha else "RGB")
    if plain.width > WIDEST:
        plain = plain.resize((WIDEST, max(1, round(plain.height * WIDEST / plain.width))), Image.Resampling.LANCZOS)
    plain.info = {}  # Exif with its places, comments, profiles
    if written_as in ("JPEG", "WEBP") and not has_alpha:
        return _written(plain, "JPEG", quality=85, optimize=True, progressive=True)
    if written_as in ("PNG", "GIF") and upright.mode == "P":
        plain = plain.quantize(256, method=Image.Quantize.FASTOCTREE)
        plain.info.pop("comment", None)
    return _written(plain, "PNG", optimize=True)


def _moving(image: Image.Image) -> Recoded:
    frames, waits = [], []
    for frame in ImageSequence.Iterator(image):
        waits.append(int(frame.info.get("duration") or 100))
        frames.append(frame.convert("RGBA"))
    for frame in frames:
        frame.info = {}
    first, *rest = frames
    times = {"duration": waits, "loop": int(image.info.get("loop") or 0)}
    return _written(first, "GIF", save_all=True, append_images=rest, disposal=2, **times)


def _written(image: Image.Image, written_as: str, **options: object) -> Recoded:
    out = io.BytesIO()
    image.save(out, format=written_as, **options)
    return Recoded(KINDS[written_as], image.width, image.height, out.getvalue())
