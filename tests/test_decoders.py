"""Photos opened fast and in processes of their own: the same pictures and the same verdicts, whatever happens there."""

import os
import random
import signal
import threading
import time

import numpy as np
import pytest
from PIL import Image

from amgan.errors import PhotoError
from amgan.photos import DecodeLimits, list_photos, read_image
from amgan.photos.decode import Place
from amgan.photos.reduced import read_reduced
from indexer.decoders import Decoders
from indexer.opening import Wanted, open_photo
from scripts import make_broken_photos as broken

POSIX = pytest.mark.skipif(os.name != "posix", reason="stops and kills processes the POSIX way")


def wanted(file, mask=None, known=(None, None), size=32):
    return Wanted(Place(file), file.name, mask and Place(mask), mask and mask.name, *known, size)


def verdict(function, *arguments):
    try:
        function(*arguments)
    except PhotoError as error:
        return error.reason
    return "read"


@pytest.fixture(scope="module")
def decoders():
    with Decoders(1) as decoders:
        yield decoders


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("photos") / "broken"
    broken.make(out)
    return out


def shirt(side=240, **options) -> bytes:
    picture = broken.draw_shirt().resize((side, side * 5 // 4), Image.Resampling.LANCZOS)
    noise = np.random.default_rng(0).normal(0, 6, (picture.height, picture.width, 1))
    grainy = np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
    return broken.encode(Image.fromarray(grainy), "JPEG", quality=92, **options)


def test_another_process_opens_photos_as_this_one_does(decoders, folder):
    for path in list_photos(folder):
        here, there = verdict(open_photo, wanted(path)), verdict(decoders, wanted(path))
        assert here == there, path.name
        if here == "read":
            mine, theirs = open_photo(wanted(path)), decoders(wanted(path))
            assert (mine.sha256, mine.shape) == (theirs.sha256, theirs.shape)
            assert np.array_equal(mine.photo, theirs.photo)
            assert decoders(wanted(path, known=(mine.sha256, None))).unchanged


def test_cut_out_by_a_mask_there(decoders, tmp_path):
    (tmp_path / "a.jpg").write_bytes(shirt())
    mask = Image.new("L", (240, 300))
    mask.paste(255, (60, 40, 180, 260))
    mask.save(tmp_path / "m.png")
    mine, theirs = (f(wanted(tmp_path / "a.jpg", tmp_path / "m.png")) for f in (open_photo, decoders))
    assert theirs.cutout.placement == mine.cutout.placement
    assert (theirs.cutout.method, theirs.cutout.trusted) == ("given", True)
    for name in ("image", "mask"):
        assert np.array_equal(getattr(mine.cutout, name), getattr(theirs.cutout, name))
    (tmp_path / "m.png").write_bytes(b"")
    assert verdict(decoders, wanted(tmp_path / "a.jpg", tmp_path / "m.png")) == "mask-empty"


@POSIX
def test_a_decoder_that_is_killed_or_hangs_is_replaced(tmp_path):
    (tmp_path / "a.jpg").write_bytes(shirt())
    with Decoders(1, deadline=30) as decoders:
        first = decoders(wanted(tmp_path / "a.jpg"))
        process = decoders._all[0]
        os.kill(process._running.pid, signal.SIGKILL)
        process._running.wait()
        assert np.array_equal(decoders(wanted(tmp_path / "a.jpg")).photo, first.photo)  # died idle: no photo's fault
        os.kill(process._running.pid, signal.SIGSTOP)
        decoders._deadline = 0.5
        assert verdict(decoders, wanted(tmp_path / "a.jpg")) == "too-slow"
        decoders._deadline = 30
        decoders(wanted(tmp_path / "a.jpg"))
        asked = process._running.pid
        os.kill(asked, signal.SIGSTOP)
        threading.Timer(0.3, os.kill, (asked, signal.SIGKILL)).start()
        assert verdict(decoders, wanted(tmp_path / "a.jpg")) == "decoder-died"
        assert decoders(wanted(tmp_path / "a.jpg")).sha256 == first.sha256


@POSIX
def test_waiting_for_ones_turn_at_a_large_photo_does_not_count(tmp_path):
    Image.new("RGB", (4000, 3100), "white").save(tmp_path / "large.jpg")
    (tmp_path / "a.jpg").write_bytes(shirt())
    found = []
    with Decoders(1, deadline=30) as decoders:
        decoders(wanted(tmp_path / "a.jpg"))  # so that the process is there
        decoders._deadline = 2

        def ask_while_another_has_the_turn(seconds, then):
            asking = threading.Thread(target=lambda: found.append(verdict(decoders, wanted(tmp_path / "large.jpg"))))
            with decoders._turn:
                asking.start()
                time.sleep(seconds)
                os.kill(decoders._all[0]._running.pid, then)
            asking.join(20)

        ask_while_another_has_the_turn(2.5, signal.SIGCONT)
        ask_while_another_has_the_turn(0.5, signal.SIGSTOP)  # does not answer when its turn has come
        decoders._deadline = 30
        decoders(wanted(tmp_path / "a.jpg"))
        ask_while_another_has_the_turn(0.5, signal.SIGKILL)
        assert found == ["read", "too-slow", "decoder-died"]
        assert verdict(decoders, wanted(tmp_path / "large.jpg")) == "read"  # each gave its turn back


def damaged(jpeg: bytes, count: int) -> list[bytes]:
    """The file with inner bytes zeroed, or cut out, at random places behind its header."""
    rng, begin = random.Random(0), jpeg.rindex(b"\xff\xda") + 20
    made = []
    for i in range(count):
        at, n = rng.randrange(begin, len(jpeg) - 600), rng.randrange(50, 500)
        made.append(jpeg[:at] + (bytes(n) if i % 2 else b"") + jpeg[at + n :])
    return made


def test_jpegs_with_inner_bytes_zeroed_or_cut_out_are_refused_where_the_decoder_notices(decoders, tmp_path):
    reasons = []
    for i, data in enumerate(damaged(shirt(400), 16)):
        (tmp_path / f"{i}.jpg").write_bytes(data)
        reasons.append(verdict(decoders, wanted(tmp_path / f"{i}.jpg")))
        assert reasons[-1] in ("corrupt", "truncated", "read")
    assert sum(r != "read" for r in reasons) >= 14, reasons
    (tmp_path / "sound.jpg").write_bytes(shirt(400))
    assert verdict(decoders, wanted(tmp_path / "sound.jpg")) == "read"


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("orientation", [1, 6])
def test_large_jpegs_are_decoded_smaller_and_look_the_same(options, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = shirt(1200, exif=exif, **options)
    whole = read_image(data)
    reduced, shape = read_reduced(data, 512, DecodeLimits(), "shirt")
    assert shape == (whole.height, whole.width)
    assert 512 <= max(reduced.size) < max(whole.size) / 1.9
    small = np.asarray(whole.resize(reduced.size, Image.Resampling.BOX)).astype(int)
    assert np.abs(small - np.asarray(reduced)).mean() < 1.5


def mutated(count: int) -> list[bytes]:
    """Pictures of several formats with bytes changed, taken out, put in, doubled."""
    rng = random.Random(1)
    sound = [
        shirt(96),
        shirt(96, progressive=True),
        broken.encode(broken.draw_shirt().convert("L"), "JPEG", quality=80),
        *(broken.encode(broken.draw_shirt(), kind) for kind in ("PNG", "WEBP", "GIF")),
    ]
    made = []
    for _ in range(count):
        data = bytearray(rng.choice(sound))
        for _ in range(rng.randint(1, 6)):
            at, n = rng.randrange(len(data)), rng.randint(1, 40)
            match rng.randrange(4):
                case 0:
                    data[at] ^= 1 << rng.randrange(8)
                case 1:
                    del data[at : at + n]
                case 2:
                    data[at:at] = rng.randbytes(n)
                case 3:
                    data[at:at] = data[at : at + n]
        made.append(bytes(data))
    return made


def agree(decoders, tmp_path, images) -> dict[str, int]:
    """That the fast decoder takes what Pillow takes, but for what it complains of; how often each."""
    found = {"both read": 0, "both refuse": 0, "complained of": 0}
    for i, data in enumerate(images):
        file = tmp_path / f"{i}.img"
        file.write_bytes(data)
        pillow, fast = verdict(read_image, data), verdict(decoders, wanted(file))
        if pillow == "read" and fast == "corrupt":
            found["complained of"] += 1
        else:
            assert fast == pillow or (pillow == "read" and fast == "too-narrow"), (i, pillow, fast)
            found["both read" if pillow == "read" else "both refuse"] += 1
    return found


def test_fast_decoder_and_pillow_agree_on_mutated_images(decoders, tmp_path):
    found = agree(decoders, tmp_path, mutated(120))
    assert all(found.values()), found


@pytest.mark.slow
def test_fast_decoder_and_pillow_agree_on_a_thousand(decoders, tmp_path):
    print(agree(decoders, tmp_path, mutated(1000)))


@pytest.mark.slow
@POSIX
def test_photos_of_fifty_megapixels_take_turns(tmp_path):
    big = Image.new("RGB", (7000, 7000), "white")
    big.paste((190, 40, 50), (2000, 1500, 5000, 5500))
    big.save(tmp_path / "a.png", compress_level=1)
    most = 0
    with Decoders(3) as decoders:
        threads = [threading.Thread(target=decoders, args=(wanted(tmp_path / "a.png"),)) for _ in range(6)]
        for thread in threads:
            thread.start()
        while any(t.is_alive() for t in threads):
            most = max(most, sum(_resident(p._running.pid) for p in decoders._all if p._running))
            time.sleep(0.02)
    assert most < 1.3e9, f"{most / 1e9:.2f} GB"


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
