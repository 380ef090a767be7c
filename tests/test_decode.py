"""What a file becomes, and how it is refused: nothing but a picture or a PhotoError comes out of any bytes."""

import io
import json
import os
import struct
import time
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from amgan.errors import PhotoError
from amgan.photos import DecodeLimits, cut_out, list_photos, read_image, read_mask
from scripts import make_broken_photos as broken

FORMATS = {
    "jpeg": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
}


def picture() -> Image.Image:
    random = np.random.default_rng(0)
    return Image.fromarray(np.kron(random.integers(0, 256, (5, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8))


ENCODED = {name: broken.encode(picture(), kind, **options) for name, (kind, options) in FORMATS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("photos") / "broken"
    broken.make(out)
    return out


def reason_of(function, *arguments) -> str:
    with pytest.raises(PhotoError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert message[-1] == "."
    assert "\n" not in message
    return caught.value.reason


@pytest.mark.thorough
def test_every_odd_and_broken_file_comes_out_as_expected(folder):
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    assert len(expected) >= 40
    truth = np.asarray(broken.draw_shirt()).astype(int)
    grey = np.asarray(broken.draw_shirt().convert("L").convert("RGB")).astype(int)
    found, sentences = {}, {}
    for path in list_photos(folder):
        name = path.relative_to(folder).as_posix()
        try:
            image = read_image(path)
            assert image.mode == "RGB"
            trusted = cut_out(image).trusted
        except PhotoError as error:
            found[name] = {"expect": "refused", "reason": error.reason}
            sentences[path.name] = str(error)
            continue
        found[name] = {"expect": "indexed"} if trusted else {"expect": "refused", "reason": "cut-out-uncertain"}
        if trusted and not name.startswith("1-bit"):
            off = min(np.abs(np.asarray(image) - wanted).mean() for wanted in (truth, grey))
            assert off < 1.5, f"{name} is off by {off}"
    assert found == expected
    for name in set(sentences) - {"all-white.png", "strip.png"}:  # decoded: whoever cuts out names those
        assert name in sentences[name]


def test_bombs_are_refused_before_they_are_unpacked(folder):
    start = time.process_time()
    for name in ("bomb.png", "huge-header.png", "huge-header.jpg", "33-megabytes.jpg"):
        assert reason_of(read_image, folder / name) == "too-large"
    assert time.process_time() - start < 0.5


def test_want_of_memory_is_no_fault_of_the_picture(monkeypatch):
    def full(picture):
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", full)
    assert reason_of(read_image, ENCODED["bmp"]) == "out-of-memory"


@pytest.mark.parametrize("name", [name for name in ENCODED if name != "gif"])
def test_no_strict_prefix_is_a_picture(name):
    data = ENCODED[name]
    read_image(data)
    for stop in {*range(0, len(data), max(1, len(data) // 60)), len(data) - 1, len(data) - 2}:
        assert reason_of(read_image, data[:stop]) in ("empty", "truncated", "corrupt", "not-an-image"), stop


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=600))
def test_random_bytes_raise_nothing_else(data):
    for prefix in (
        b"",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"GIF89a",
        b"RIFF\xff\0\0\0WEBPVP8 ",
        b"BM",
    ):
        for read in (read_image, read_mask):
            with suppress(PhotoError):
                read(prefix + data)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    # Damaged TIFF files are refused as well, but their library talks on standard error.
    st.sampled_from(sorted(set(ENCODED) - {"tiff"})),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0, 1),
)
def test_damaged_files_raise_nothing_else(name, changes, keep):
    data = bytearray(ENCODED[name])
    for place, value in changes:
        data[int(place * len(data))] = value
    for damaged in (bytes(data), bytes(data[: int(keep * len(data))])):
        with suppress(PhotoError):
            image = read_image(damaged, DecodeLimits(max_pixels=4_000_000))
            assert image.mode == "RGB"
            assert image.width * image.height <= 4_000_000


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turn(orientation):
    turned = np.asarray(read_image(broken.turned(picture(), orientation))).astype(int)
    assert turned.shape == (40, 32, 3)
    assert np.abs(turned - np.asarray(read_image(broken.turned(picture(), 1)))).mean() < 12


def test_exif_that_can_be_read_but_not_written_again_still_turns_the_photo():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    data = broken.encode(picture(), "JPEG", quality=95, exif=exif)
    odd = data.replace(b"\x01\x0f\x00\x02", b"\x01\x02\x00\x02")  # words where bits per sample should be
    with pytest.raises(Exception, match="integer"):
        ImageOps.exif_transpose(Image.open(io.BytesIO(odd)))
    assert odd != data and np.array_equal(read_image(odd), read_image(data))
    assert read_image(odd).size == picture().size[::-1]


def test_sixteen_bits_are_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)
    grey = np.asarray(read_image(broken.encode(Image.fromarray(ramp), "PNG")))
    assert grey[0, 0, 0] == 0
    assert grey[-1, -1, 0] == 255
    assert np.abs(grey[..., 1] - ramp / 257).max() <= 1


def test_sixteen_bit_grey_with_a_clear_value():
    ramp = np.full((32, 32), 20000, np.uint16)
    ramp[:16] = 300
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in ramp)
    data = broken.png(32, 32, 16, 0, lines, broken.chunk(b"tRNS", struct.pack(">H", 300)))
    rgb = np.asarray(read_image(data))
    assert (rgb[:16] == 255).all()
    assert (rgb[16:] == 78).all()


def test_transparency_is_laid_on_white_for_photos_and_on_black_for_masks():
    rgba = Image.new("RGBA", (20, 20), (10, 200, 30, 0))
    rgba.paste((10, 200, 30, 255), (0, 0, 10, 20))
    data = broken.encode(rgba, "PNG")
    rgb, mask = np.asarray(read_image(data)), read_mask(data)
    assert (rgb[:, 10:] == 255).all()
    assert (rgb[:, :10] == (10, 200, 30)).all()
    assert mask.dtype == np.uint8
    assert not mask[:, 10:].any()


def test_half_transparent_is_mixed_with_white():
    data = broken.encode(Image.new("RGBA", (20, 20), (0, 0, 0, 128)), "PNG")
    assert np.asarray(read_image(data))[5, 5].tolist() == [127, 127, 127]


def test_an_embedded_profile_is_followed_and_a_broken_one_left_out():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = np.asarray(read_image(broken.encode(picture(), "PNG")))
    for profile in (srgb, b"no profile at all"):
        assert (np.asarray(read_image(broken.encode(picture(), "PNG", icc_profile=profile))) == plain).all()
    # A profile whose red is green, under another name.
    swapped = srgb.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "xxxx".encode("utf-16-be"))
    red = Image.new("RGB", (20, 20), (255, 0, 0))
    shown = np.asarray(read_image(broken.encode(red, "PNG", icc_profile=swapped)))[0, 0]
    assert shown[1] > 200 > shown[0]


def test_masks_of_every_kind_are_0_and_255():
    half = np.zeros((20, 30), np.uint8)
    half[:, :15] = 255
    for mode in ("1", "L", "RGB", "P"):
        mask = read_mask(broken.encode(Image.fromarray(half).convert(mode), "PNG"))
        assert (mask == half).all()


def test_sources(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(ENCODED["png"])
    expected = np.asarray(picture())
    for source in (path, str(path), ENCODED["png"], io.BytesIO(ENCODED["png"]), path.open("rb")):
        assert (np.asarray(read_image(source)) == expected).all()
    with pytest.raises(PhotoError, match=r"^upload 7 is empty"):
        read_image(b"", name="upload 7")
    assert reason_of(read_image, tmp_path / "none.jpg") == "missing"
    assert reason_of(read_image, "nul\0.jpg") == "missing"
    assert reason_of(read_image, "x" * 5000) == "unreadable"
    assert reason_of(read_image, path / "below.png") == "unreadable"
    closed = io.BytesIO()
    closed.close()
    assert reason_of(read_image, closed) == "unreadable"


def test_limits():
    data = ENCODED["png"]
    assert reason_of(read_image, data, DecodeLimits(max_bytes=100)) == "too-large"
    assert reason_of(read_image, io.BytesIO(data), DecodeLimits(max_bytes=100)) == "too-large"
    assert reason_of(read_image, data, DecodeLimits(max_pixels=1000)) == "too-large"
    assert reason_of(read_image, data, DecodeLimits(max_side=39)) == "too-large"
    assert reason_of(read_image, data, DecodeLimits(min_side=33)) == "too-small"


def test_a_png_whose_checksum_is_wrong_is_refused():
    data = bytearray(ENCODED["png"])
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    data[start + 4 + length] ^= 1
    assert reason_of(read_image, bytes(data)) == "corrupt"


def test_listing_is_sorted_and_leaves_out_what_is_hidden(tmp_path):
    for name in (
        "b.jpg",
        "a/z.PNG",
        "a.jpg",
        "B.jpeg",
        "é.webp",
        ".hidden.jpg",
        ".cache/x.jpg",
        "__MACOSX/x.jpg",
        "notes.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    names = [path.relative_to(tmp_path).as_posix() for path in list_photos(str(tmp_path))]
    assert names == ["B.jpeg", "a.jpg", "a/z.PNG", "b.jpg", "é.webp"]


def test_listing_follows_links_without_going_round(tmp_path):
    catalogue, elsewhere = tmp_path / "catalogue", tmp_path / "elsewhere"
    (catalogue / "in").mkdir(parents=True)
    (elsewhere / "deep").mkdir(parents=True)
    for path in (catalogue / "in" / "a.jpg", elsewhere / "deep" / "b.jpg"):
        path.write_bytes(b"")
    for link, target in {
        "in/up": "..",
        "up": "../..",
        "again": "in",
        "out": "../elsewhere",
        "out2": "../elsewhere",
    }.items():
        (catalogue / link).symlink_to(target)
    (elsewhere / "back").symlink_to(catalogue)
    names = [path.relative_to(catalogue).as_posix() for path in list_photos(catalogue)]
    assert names == ["in/a.jpg", "out/deep/b.jpg"]


def test_listing_of_what_is_no_folder(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    assert reason_of(list_photos, tmp_path / "none") == "missing"
    assert reason_of(list_photos, tmp_path / "a.jpg") == "not-a-directory"
    assert reason_of(list_photos, "nul\0") == "missing"
    assert list_photos(tmp_path)[0].name == "a.jpg"


def test_undecodable_names_are_printed_escaped(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9\x07.jpg"
    with open(path, "wb"):
        pass
    (found,) = list_photos(tmp_path)
    with pytest.raises(PhotoError) as caught:
        read_image(found)
    assert (
        str(caught.value).encode("utf-8").endswith(b"caf\\xe9\\x07.jpg is empty (0 bytes); copy or download it again.")
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_without_permission_is_listed_and_refused(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    assert list_photos(tmp_path) == [closed]
    assert reason_of(read_image, closed) == "unreadable"


def with_scans(jpeg: bytes, scans: int) -> bytes:
    """A JPEG whose last scan is there so often."""
    start = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[start:-2] * (scans - jpeg.count(b"\xff\xda")) + jpeg[-2:]


def test_a_jpeg_of_thousands_of_passes_is_refused_at_once():
    jpeg = broken.encode(Image.new("RGB", (1600, 1600), "red"), "JPEG", progressive=True)
    begun = time.perf_counter()
    assert reason_of(read_image, with_scans(jpeg, 2000)) == "too-large"
    assert time.perf_counter() - begun < 2
    assert read_image(with_scans(jpeg, 60)).size == (1600, 1600)


def test_a_pipe_that_took_a_files_place_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(ENCODED["jpeg"])
    regular = (tmp_path / "b.jpg").stat()
    monkeypatch.setattr("amgan.photos.decode.Path.stat", lambda self, **_: regular)
    assert reason_of(read_image, tmp_path / "a.jpg") == "not-an-image"
