"""Make a folder of sound, odd and broken pictures, with what a catalogue should make of each.

    python scripts/make_broken_photos.py out/broken
    index-catalog out/broken --store out/index --collection broken

``expected.json`` beside them says ``{file: {"expect": "indexed" | "refused", "reason": code}}``. The sound ones all
show the same drawn shirt on white, upright, with a badge on its left, so that a picture read the wrong way round shows.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image, ImageDraw, features

from amgan.commandline import run
from amgan.errors import UserError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

SIZE = (240, 300)
RED, BADGE = (190, 40, 50), (30, 60, 160)
CLOSED = "no-permission"
INDEXED: dict[str, str] = {"expect": "indexed"}

_OUTLINE = [(-0.1, -0.42), (0.1, -0.42), (0.22, -0.4), (0.45, -0.15), (0.34, -0.03), (0.23, -0.12)]


def draw_shirt(sleeve_color: tuple[int, int, int] = RED) -> Image.Image:
    """An RGB picture of SIZE: a shirt on white, darker at the bottom, a badge on its left."""
    width, height = SIZE
    half = [*_OUTLINE, (0.25, 0.42)]
    outline = half + [(-x, y) for x, y in reversed(half)]
    picture = Image.new("RGB", (width * 2, height * 2), "white")
    draw = ImageDraw.Draw(picture)
    draw.polygon([(width + x * width * 1.8, height + y * height * 1.8) for x, y in outline], fill=sleeve_color)
    draw.rectangle((width * 0.7, height * 0.7, width * 0.9, height * 0.85), fill=BADGE)
    draw.line((width, height * 0.3, width, height * 1.7), fill=tuple(c * 4 // 5 for c in sleeve_color), width=4)
    return picture.resize(SIZE, Image.Resampling.LANCZOS)


def encode(picture: Image.Image, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_name, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, color_type: int, pixels: bytes, extra: bytes = b"") -> bytes:
    """A PNG from raw scan lines, each with its filter byte; for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def deep_png(picture: Image.Image) -> bytes:
    """16 bits a channel, RGB."""
    samples = (np.asarray(picture).astype(np.uint16) * 257).astype(">u2")
    lines = b"".join(b"\0" + line.tobytes() for line in samples)
    return png(*picture.size, 16, 2, lines)


def without_segment(jpeg: bytes, marker: int) -> bytes:
    """A JPEG without its segments of this marker."""
    out, position = jpeg[:2], 2
    while jpeg[position + 1] != 0xDA:
        length = 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if jpeg[position + 1] != marker:
            out += jpeg[position : position + length]
        position += length
    return out + jpeg[position:]


def with_jpeg_size(jpeg: bytes, width: int, height: int) -> bytes:
    """The same data under a header that states another size."""
    start = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:start] + struct.pack(">HH", height, width) + jpeg[start + 4 :]


def turned(picture: Image.Image, orientation: int) -> bytes:
    """Stored turned, with the EXIF note that turns it back."""
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions that undo each orientation
    stored = picture if orientation == 1 else picture.transpose(Image.Transpose(back[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(stored, "JPEG", quality=95, exif=exif)


def sound_files(shirt: Image.Image) -> dict[str, bytes]:
    mask = Image.fromarray(np.where(np.asarray(shirt).min(axis=2) < 240, 255, 0).astype(np.uint8))
    grey = shirt.convert("L")
    jpeg, plain_png = encode(shirt, "JPEG", quality=92), encode(shirt, "PNG")
    see_through = shirt.copy()
    see_through.putalpha(mask)  # what is transparent is black underneath: it must come out white
    hidden = Image.composite(see_through, Image.new("RGBA", SIZE, (0, 0, 0, 0)), mask)
    palette = shirt.quantize(15)
    cells = np.where(np.asarray(mask) > 0, np.asarray(palette), 15).astype(np.uint8)
    clear = Image.fromarray(cells, "P")
    clear.putpalette([*(palette.getpalette() or [])[:45], 0, 255, 0])
    frames = [draw_shirt((40, 130, 60)), draw_shirt((20, 20, 20))]
    deep_grey = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    inks = shirt.convert("CMYK")
    upside_down = Image.fromarray(255 - np.asarray(inks), "CMYK")
    files = {
        "plain.jpg": jpeg,
        "plain.png": plain_png,
        "plain.webp": encode(shirt, "WEBP", quality=90),
        "plain.bmp": encode(shirt, "BMP"),
        "plain.tiff": encode(shirt, "TIFF", compression="tiff_lzw"),
        "progressive.jpg": encode(shirt, "JPEG", quality=92, progressive=True),
        "grey.jpg": encode(grey, "JPEG", quality=92),
        "cmyk-adobe.jpg": encode(inks, "JPEG", quality=95),
        "cmyk-without-marker.jpg": without_segment(encode(upside_down, "JPEG", quality=95), 0xEE),
        "cmyk.tiff": encode(inks, "TIFF"),
        "16-bit-grey.png": encode(deep_grey, "PNG"),
        "16-bit-grey.tiff": encode(deep_grey, "TIFF"),
        "16-bit-rgb.png": deep_png(shirt),
        "1-bit.png": encode(mask.point(lambda v: 255 - v).convert("1"), "PNG"),
        "palette-transparent.png": encode(clear, "PNG", transparency=15),
        "grey-alpha.png": encode(Image.merge("LA", (hidden.convert("L"), mask)), "PNG"),
        "rgba.png": encode(hidden, "PNG"),
        "rgba.webp": encode(hidden, "WEBP", quality=90),
        "animated.gif": encode(shirt, "GIF", save_all=True, append_images=frames, duration=100),
        "animated.webp": encode(shirt, "WEBP", save_all=True, append_images=frames, duration=100, quality=90),
        "animated.png": encode(shirt, "PNG", save_all=True, append_images=frames, duration=100),
        "trailing-junk.jpg": jpeg + b"\0\xff\xda junk after the end" * 20,
        "broken-exif.jpg": encode(shirt, "JPEG", quality=92, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01" * 60),
        "png-named.jpg": plain_png,
        "UPPER.JPG": jpeg,
        "シャツ 赤.jpg": jpeg,
        "emoji 👕.png": plain_png,
        "spaces and 'quotes' \"two\".jpg": jpeg,
        "new\nline.jpg": jpeg,
        "x" * 250 + ".jpg": jpeg,
        "folder.jpg/inside.jpg": jpeg,
    }
    files |= {f"turned-{orientation}.jpg": turned(shirt, orientation) for orientation in range(1, 9)}
    if features.check("avif"):
        files["plain.avif"] = encode(shirt, "AVIF", quality=90)
    return files


def broken_files(shirt: Image.Image) -> dict[str, tuple[bytes, str]]:
    """Name to contents and the reason of the refusal."""
    jpeg, plain_png = encode(shirt, "JPEG", quality=92), encode(shirt, "PNG")
    webp, gif = encode(shirt, "WEBP", quality=90), encode(shirt, "GIF")
    flipped = bytearray(plain_png)
    flipped[len(flipped) // 2] ^= 0x55
    html = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>Not found</body></html>"
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (200, 200, 3), dtype=np.uint8))
    files = {
        "empty.jpg": (b"", "empty"),
        "empty.png": (b"", "empty"),
        "html-named.jpg": (html, "not-an-image"),
        "text-named.png": (b"This is no picture at all.\n" * 20, "not-an-image"),
        "random-bytes.jpg": (random.bytes(4000), "not-an-image"),
        "svg-named.png": (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "unsupported"),
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "unsupported"),
        "float.tiff": (encode(shirt.convert("F"), "TIFF"), "unsupported"),
        "header-only.jpg": (jpeg[:20], "truncated"),
        "zero-padded.jpg": (jpeg[: len(jpeg) // 2] + bytes(len(jpeg) // 2), "truncated"),
        "half.webp": (webp[: len(webp) // 2], "truncated"),
        "half.gif": (gif[: len(gif) // 2], "truncated"),
        "bit-flipped.png": (bytes(flipped), "corrupt"),
        "zero-width.png": (png(0, 100, 8, 2, b""), "corrupt"),
        "text-bomb.png": (png(32, 32, 8, 0, bytes(33 * 32), _text_bomb()), "corrupt"),
        "bomb.png": (png(12000, 12000, 1, 0, bytes(1501 * 12000)), "too-large"),
        "huge-header.png": (png(65535, 65535, 8, 2, b""), "too-large"),
        "huge-header.jpg": (with_jpeg_size(jpeg, 65500, 65500), "too-large"),
        "1x1.png": (encode(Image.new("RGB", (1, 1), "red"), "PNG"), "too-small"),
        "strip.png": (encode(Image.new("RGB", (3000, 20), "red"), "PNG"), "too-narrow"),
        "all-white.png": (encode(Image.new("RGB", SIZE, "white"), "PNG"), "no-garment"),
        "noise.png": (encode(noise, "PNG"), "cut-out-uncertain"),
    }
    for percent in (10, 50, 99):
        files[f"truncated-{percent}.jpg"] = (jpeg[: len(jpeg) * percent // 100], "truncated")
        files[f"truncated-{percent}.png"] = (plain_png[: len(plain_png) * percent // 100], "truncated")
    return files


def _text_bomb() -> bytes:
    return chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000), 1))


def odd_entries() -> dict[str, tuple[Callable[[Path], Any], str]]:
    """What is no regular file: name to how it is made and the reason of the refusal."""
    return {
        "folder.jpg": (lambda path: path.mkdir(exist_ok=True), "directory"),
        "loop.jpg": (lambda path: path.symlink_to(path.name), "missing"),
        "dead-link.jpg": (lambda path: path.symlink_to("nowhere.jpg"), "missing"),
        "pipe.jpg": (os.mkfifo, "not-an-image"),
        "33-megabytes.jpg": (_make_sparse, "too-large"),
    }


def _make_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(33 * 2**20)


def make(out: Path) -> dict[str, dict[str, str]]:
    """Fill `out`, which must be new or made by this script, and return what is expected of each entry."""
    if out.exists():
        if not (out / "expected.json").is_file():
            raise UserError(f"{out} exists and was not made by this script; name a new folder.")
        if (out / CLOSED).is_dir():
            (out / CLOSED).chmod(0o700)
        shutil.rmtree(out)
    out.mkdir(parents=True)
    shirt = draw_shirt()
    expected: dict[str, dict[str, str]] = {}
    for name, (create, reason) in odd_entries().items():
        create(out / name)
        expected[name] = {"expect": "refused", "reason": reason}
    for name, data in sound_files(shirt).items():
        (out / name).write_bytes(data)
        expected[name] = INDEXED
    for name, (data, reason) in broken_files(shirt).items():
        (out / name).write_bytes(data)
        expected[name] = {"expect": "refused", "reason": reason}
    (out / "link-to-itself").symlink_to(".")  # a folder that never ends; nothing in it is to be found twice
    (out / "link-to-nowhere").symlink_to("unmounted")  # what was indexed of such a folder stays
    (out / CLOSED).mkdir()
    for name in ("no-permission.jpg", f"{CLOSED}/inside.jpg"):
        (out / name).write_bytes(encode(shirt, "JPEG", quality=92))
    (out / "no-permission.jpg").chmod(0)
    (out / CLOSED).chmod(0)
    # The superuser reads both all the same.
    refused = {"expect": "refused", "reason": "unreadable"}
    expected["no-permission.jpg"] = INDEXED if os.access(out / "no-permission.jpg", os.R_OK) else refused
    expected |= {f"{CLOSED}/inside.jpg": INDEXED} if os.access(out / CLOSED, os.R_OK) else {CLOSED: refused}
    (out / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False, sort_keys=True), "utf-8")
    return expected


@app.command()
def main(out: Annotated[Path, typer.Argument(help="New folder for the pictures.")]) -> None:
    """Make sound, odd and broken pictures and expected.json. Example: make_broken_photos.py out/broken"""
    try:
        expected = make(out)
    except OSError as error:
        raise UserError(f"The pictures cannot be written to {out}: {error}.") from None
    indexed = sum(entry["expect"] == "indexed" for entry in expected.values())
    print(f"{len(expected)} entries in {out}: {indexed} to be indexed, {len(expected) - indexed} to be refused.")


if __name__ == "__main__":
    run(app)
