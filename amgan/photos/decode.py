"""How a file becomes a picture: one policy for photos, masks, uploads and whole catalogues.

What comes out is upright RGB on white. What is recognised as incomplete or damaged is refused with a stable reason and
a sentence that names the file. PNG has checksums; a JPEG has none, so that bytes that were changed inside it may decode
to a wrong picture without anyone knowing. The reasons::

    missing  directory  unreadable  empty  not-an-image  unsupported  truncated  corrupt  too-large  too-small
    out-of-memory
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageChops, ImageCms, ImageOps

from amgan.errors import PhotoError
from amgan.photos.endings import cut_short, jpeg_scans

# A header that promises 90 megapixels is to be refused, not reported on standard error and then decoded.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
# Doubts about metadata, one line for each odd tag and without the file's name.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# Pillow knows some 40 formats, among them ones that start other programs; these are what cameras, shops and phones
# write.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")


@dataclass(frozen=True)
class DecodeLimits:
    """What is refused before any pixel is decoded.

    Attributes:
        max_bytes: size of the file.
        max_pixels: width times height, as the header states them.
        min_side, max_side: shorter and longer side in pixels.
        max_scans: passes of a progressive JPEG, each of which costs as much as a picture; encoders write about ten.
    """

    max_bytes: int = 32 * 2**20
    max_pixels: int = 50_000_000
    min_side: int = 16
    max_side: int = 20_000
    max_scans: int = 100


@dataclass(frozen=True)
class Place:
    """Where a picture's bytes lie: a file, or ``length`` bytes of it from ``offset`` on, as in an archive."""

    file: Path
    offset: int = 0
    length: int | None = None

    def read(self, limits: DecodeLimits, name: str) -> bytes:
        """Raises PhotoError, as `read_file`."""
        if self.length is None:
            return read_file(self.file, limits, name)
        return read_span(self.file, self.offset, self.length, limits, name)


Source = str | os.PathLike[str] | bytes | BinaryIO | Place


def read_image(source: Source, limits: DecodeLimits = DecodeLimits(), name: str | None = None) -> Image.Image:
    """The picture in a file, as upright RGB.

    Turned by its EXIF orientation; transparency laid on white; an animation's first frame; 16 bits brought to 8 by
    their high byte; CMYK and other colour spaces brought to sRGB, by the embedded profile where there is one.

    Args:
        source: a path, the file's bytes, an open binary file, or where the bytes lie.
        limits: sizes beyond which nothing is decoded.
        name: what messages call the picture, for uploads; by default its path.

    Raises:
        PhotoError: with one of the module's reasons.
    """
    picture, name = _open(source, limits, name)
    return _eight_bit_rgb(picture, name, background=255)


def read_mask(source: Source, limits: DecodeLimits = DecodeLimits(), name: str | None = None) -> np.ndarray:
    """A garment's mask: uint8 (H, W), 255 where the file is brighter than half and not transparent, else 0.

    Raises:
        PhotoError: as `read_image`.
    """
    picture, name = _open(source, limits, name)
    grey = np.asarray(_eight_bit_rgb(picture, name, background=0).convert("L"))
    return np.where(grey >= 128, 255, 0).astype(np.uint8)


def display_name(path: str | os.PathLike[str]) -> str:
    """A path that can be printed anywhere: undecodable bytes and control characters are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _open(source: Source, limits: DecodeLimits, name: str | None) -> tuple[Image.Image, str]:
    """The decoded picture, upright, in the file's own mode, and what to call it."""
    data, name = _bytes(source, limits, name)
    picture = checked(data, limits, name)
    try:
        if picture.format == "PNG":
            # Loading skips the checksums of the pixel data.
            with Image.open(io.BytesIO(data), formats=("PNG",)) as twin:
                twin.verify()
        picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError("too-large", f"{name} unpacks to more than {_mega(limits.max_pixels)} megapixels.") from error
    except MemoryError as error:
        raise PhotoError("out-of-memory", f"{name} needs more memory to decode than there is now.") from error
    except Exception as error:
        if "truncated" in str(error).lower() or isinstance(error, EOFError):
            raise PhotoError("truncated", f"{name} is cut off: its data stop before the end of the picture.") from error
        raise PhotoError(
            "corrupt", f"{name} is a damaged {picture.format} file and cannot be decoded whole."
        ) from error
    return upright(picture), name


def checked(data: bytes, limits: DecodeLimits, name: str) -> Image.Image:
    """The picture in a file, opened and held to the limits, its pixels not decoded yet. Raises PhotoError."""
    if not data:
        raise PhotoError("empty", f"{name} is empty (0 bytes); copy or download it again.")
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError("too-large", f"{name} unpacks to more than {_mega(limits.max_pixels)} megapixels.") from error
    except Exception as error:  # hostile headers raise whatever the format's parser trips over
        raise _not_opened(data, name) from error
    _check_size(picture.size, limits, name)
    if cut_short(data, picture.format or ""):
        raise PhotoError(
            "truncated", f"{name} is cut off: its {picture.format} data stop before the end of the picture."
        )
    if picture.format in ("JPEG", "MPO") and (scans := jpeg_scans(data)) > limits.max_scans:
        raise PhotoError(
            "too-large",
            f"{name} is a JPEG of {scans} passes, which take too long; at most {limits.max_scans} are read.",
        )
    return picture


def _bytes(source: Source, limits: DecodeLimits, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        name, data = name or "The picture", source
    elif isinstance(source, (str, os.PathLike)):
        name = name or display_name(source)
        data = read_file(Path(source), limits, name)
    elif isinstance(source, Place):
        name = name or display_name(source.file)
        data = source.read(limits, name)
    else:
        given = getattr(source, "name", None)
        name = name or (display_name(given) if isinstance(given, str) and given else "The picture")
        try:
            data = source.read(limits.max_bytes + 1)
        except (OSError, ValueError) as error:
            raise PhotoError("unreadable", f"{name} cannot be read: {error}.") from error
    if len(data) > limits.max_bytes:
        raise PhotoError("too-large", _too_many_bytes(name, limits))
    return data, name


def read_file(path: Path, limits: DecodeLimits, name: str) -> bytes:
    """The bytes of a regular file within the limits. Raises PhotoError, as `read_image`."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            # list_photos hands over folders that it could not list, so that they are reported like any other failure.
            if not os.access(path, os.R_OK | os.X_OK):
                raise PhotoError("unreadable", f"{name} is a folder without permission to read it.")
            raise PhotoError("directory", f"{name} is a folder, not a picture.")
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise PhotoError("not-an-image", f"{name} is a pipe, socket or device, not a picture file.")
        if status.st_size > limits.max_bytes:
            raise PhotoError("too-large", _too_many_bytes(name, limits))
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # what was opened, should the name lead elsewhere now
                raise PhotoError("not-an-image", f"{name} is a pipe, socket or device, not a picture file.")
            return file.read(limits.max_bytes + 1)
    except FileNotFoundError as error:
        what = "is a link to a file that does not exist" if path.is_symlink() else "does not exist"
        raise PhotoError("missing", f"{name} {what}.") from error
    except PermissionError as error:
        raise PhotoError("unreadable", f"{name} cannot be read: permission denied.") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PhotoError("missing", f"{name} is a link that leads back to itself.") from error
        raise PhotoError("unreadable", f"{name} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # a name with a null character
        raise PhotoError("missing", f"{name} is not a possible file name.") from error


def read_span(path: Path, offset: int, length: int, limits: DecodeLimits, name: str) -> bytes:
    """A part of a regular file, for pictures that lie in an archive. Raises PhotoError, as `read_image`."""
    if length > limits.max_bytes:
        raise PhotoError("too-large", _too_many_bytes(name, limits))
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            file.seek(offset)
            return file.read(length)
    except OSError as error:
        raise PhotoError("unreadable", f"{name} cannot be read: {error.strerror or error}.") from error


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file, and a pipe without waiting for its other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _too_many_bytes(name: str, limits: DecodeLimits) -> str:
    return f"{name} is larger than {limits.max_bytes / 2**20:.0f} MB; save it at a smaller size."


def _mega(pixels: int) -> str:
    return f"{pixels / 1e6:.3g}"


def _not_opened(data: bytes, name: str) -> PhotoError:
    """Why no decoder wanted the file, from how it begins."""
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return PhotoError("not-an-image", f"{name} is a web page (HTML), not a picture; its download probably failed.")
    if head.startswith((b"<svg", b"<?xml")):
        return PhotoError("unsupported", f"{name} is an SVG or XML file; save it as JPEG, PNG or WebP.")
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return PhotoError(
            "unsupported", f"{name} is a HEIC photo, which is not supported; save it as JPEG, PNG or WebP."
        )
    for magic, format_name in ((b"\xff\xd8", "JPEG"), (b"\x89PNG", "PNG"), (b"GIF8", "GIF"), (b"RIFF", "WEBP")):
        if data.startswith(magic):
            if len(data) < 64 or cut_short(data, format_name):
                return PhotoError("truncated", f"{name} is cut off: it begins as {format_name} and stops too soon.")
            return PhotoError("corrupt", f"{name} begins as {format_name} but its header is damaged.")
    return PhotoError("not-an-image", f"{name} is not a picture; JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF are read.")


def _check_size(size: tuple[int, int], limits: DecodeLimits, name: str) -> None:
    width, height = size
    if width * height > limits.max_pixels or max(size) > limits.max_side:
        raise PhotoError(
            "too-large",
            f"{name} is {width} x {height} pixels; at most {_mega(limits.max_pixels)} megapixels and "
            f"{limits.max_side} pixels a side are read.",
        )
    if min(size) < limits.min_side:
        raise PhotoError(
            "too-small", f"{name} is {width} x {height} pixels; at least {limits.min_side} pixels a side are needed."
        )


def upright(picture: Image.Image) -> Image.Image:
    """The decoded pixels as they are meant: ink the right way round, the photo the right way up."""
    # Broken metadata beside sound pixels: shown as stored, as every viewer does. In place, so that what cannot be read
    # loses the turn, and what merely cannot be written again does not.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode == "CMYK" and picture.format in ("JPEG", "MPO") and "adobe" not in picture.info:
        # Adobe stores ink upside down and says so by a marker; Pillow takes every CMYK JPEG for one of Adobe's.
        inverted = ImageChops.invert(picture)
        inverted.info = dict(picture.info)
        return inverted
    return picture


def _eight_bit_rgb(picture: Image.Image, name: str, background: int) -> Image.Image:
    try:
        return _to_rgb(picture, background)
    except Exception as error:  # a mode that Pillow reads and cannot convert, or one without a range
        raise PhotoError("unsupported", f"{name} cannot be shown in 8-bit colours: {error}.") from error


def _to_rgb(picture: Image.Image, background: int) -> Image.Image:
    """Upright picture of any mode to RGB, laid on grey `background` where it is transparent."""
    profile = picture.info.get("icc_profile") if picture.mode in ("RGB", "RGBA", "P", "CMYK") else None
    if picture.mode.startswith("I;16"):
        samples = np.asarray(picture).astype(np.uint16)
        clear = picture.info.get("transparency")
        picture = _high_byte(samples)
        if isinstance(clear, int):
            picture.putalpha(Image.fromarray(np.where(samples == clear, 0, 255).astype(np.uint8)))
    elif picture.mode == "I":
        samples = np.asarray(picture)
        if samples.min() < 0 or samples.max() > 65535:
            raise ValueError("32-bit samples have no agreed range")
        picture = _high_byte(samples)
    elif picture.mode == "F":
        raise ValueError("floating-point samples have no agreed range")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (background, background, background, 255))
        picture = Image.alpha_composite(ground, layer).convert("RGB")
    return _by_profile(picture, profile) if profile else picture.convert("RGB")


def _high_byte(samples: np.ndarray) -> Image.Image:
    # 0..65535 to 0..255 exactly at both ends; Pillow's own conversion clips everything above 255 to white.
    return Image.fromarray((samples >> 8).astype(np.uint8))


def is_srgb(profile: bytes) -> bool:
    """Whether an embedded colour profile says what is taken for granted without one."""
    try:
        return "srgb" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).lower()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False


def _by_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    """RGB or CMYK to sRGB by an embedded profile; a profile that is broken or of another colour space is left out."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if not is_srgb(profile):
            flat = picture if picture.mode == "CMYK" else picture.convert("RGB")
            converted = ImageCms.profileToProfile(flat, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        pass
    return picture.convert("RGB")
