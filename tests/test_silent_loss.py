"""Nothing leaves an index because it could not be read: ``index-catalog`` over catalogues that fail in part.

Permission faults are simulated: the superuser, who may run the tests, is refused nothing.
"""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import indexer.cli
import retrieval.representation
from amgan.errors import UserError
from amgan.photos.listing import list_folder, list_photos
from amgan.testing import draw_catalogue
from indexer.build import index
from indexer.catalogue import Catalogue
from indexer.prepare import Settings
from retrieval.stores.memory import MemoryLocation
from tests.fake_encoder import SCHEMA, FakeEncoder
from tests.fake_encoder import draw_catalogue as draw_plain_catalogue

POSIX = pytest.mark.skipif(os.name != "posix", reason="makes pipes and links")


@pytest.fixture
def shop(tmp_path):
    """What ``index-catalog`` of tmp_path/shop does, into an index in memory: ``shop(encoder) -> summary``."""
    location = MemoryLocation()

    def run(encoder=FakeEncoder):
        return index(Catalogue(tmp_path / "shop", SCHEMA), location, "shop", encoder(), Settings(32), threads=2)

    def names():
        return {record.payload["file_name"] for record in location.open("shop").scroll(["file_name"])}

    run.location, run.names = location, names
    return run


@pytest.fixture
def command(monkeypatch, tmp_path):
    """The command itself: its summary, and what it said on standard error."""
    monkeypatch.setattr(retrieval.representation, "Representation", FakeEncoder)

    def run():
        line = [tmp_path / "shop", "--store", tmp_path / "store", "--collection", "shop", "--json"]
        result = CliRunner().invoke(indexer.cli.app, [str(a) for a in line])
        if result.exception is not None:
            raise result.exception
        return json.loads(result.stdout), [s for s in result.stderr.splitlines() if not s.startswith("Indexing")]

    return run


@pytest.fixture
def labelled(tmp_path):
    """20 garments with metadata and masks."""
    return draw_catalogue(tmp_path / "shop", 20)


@pytest.fixture
def plain(tmp_path):
    """12 photos in the folders 0, 1 and 2, without metadata."""
    return draw_plain_catalogue(tmp_path / "shop", 12)


def close(monkeypatch, folder, number=13):
    """From now on this folder cannot be listed: 13, permission denied, or 5, input/output error."""
    scandir = os.scandir

    def failing(path="."):
        if not isinstance(path, int) and Path(path) == folder:
            raise OSError(number, os.strerror(number), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)


def test_a_folder_that_cannot_be_listed_keeps_its_garments_and_is_said(command, plain, monkeypatch):
    command()
    (plain / "0" / "0.png").unlink()
    with monkeypatch.context() as patch:
        close(patch, plain / "1")
        summary, said = command()
    assert (summary["unchanged"], summary["removed"], summary["kept"]) == (7, 1, 4)
    assert summary["refused"] == {"unreadable": 1}
    assert said == summary["warnings"] == ["Garments that cannot be read now and stay in the index as they were: 4."]
    (refusal,) = map(json.loads, Path(summary["failures"]).read_text().splitlines())
    assert refusal["file_name"] == "1"
    assert "a folder that cannot be listed (Permission denied)" in refusal["message"]
    summary, said = command()
    assert (summary["unchanged"], summary["removed"], summary["refused"], said) == (11, 0, {}, [])


@pytest.mark.parametrize("number", [13, 5])
def test_the_index_holds_what_it_held(shop, plain, monkeypatch, number):
    close(monkeypatch, plain / "2", number)
    assert list_photos(plain)[-1] == plain / "2"
    summary = shop()
    assert (summary.indexed, summary.kept, summary.refused, summary.warnings) == (8, 0, {"unreadable": 1}, [])
    everything = shop.names()
    close(monkeypatch, plain / "1", number)
    assert shop().kept == 4
    assert shop.names() == everything


@POSIX
def test_what_lies_behind_a_dead_link_stays(shop, plain, tmp_path):
    disk = tmp_path / "disk"
    (plain / "1").rename(disk)
    (plain / "1").symlink_to(disk)
    (plain / "0" / "0.png").rename(tmp_path / "0.png")
    (plain / "0" / "0.png").symlink_to(tmp_path / "0.png")
    (plain / "notes").symlink_to("nowhere")
    shop()
    assert len(shop.names()) == 12
    disk.rename(tmp_path / "unmounted")
    (tmp_path / "0.png").unlink()
    summary = shop()
    assert (summary.removed, summary.kept, summary.refused) == (0, 5, {"missing": 1})
    assert len(shop.names()) == 12
    (plain / "1").unlink()
    (plain / "0" / "0.png").unlink()
    summary = shop()
    assert (summary.removed, summary.kept, summary.warnings) == (5, 0, [])


@POSIX
def test_a_listed_photo_behind_a_dead_link_stays_and_a_missing_one_goes(shop, labelled, tmp_path):
    shop()
    (labelled / "masks" / "0003.png").unlink()
    (labelled / "images" / "0005.png").unlink()
    (labelled / "images" / "0006.png").unlink()
    (labelled / "images" / "0006.png").symlink_to(tmp_path / "unmounted.png")
    summary = shop()
    assert (summary.removed, summary.kept, summary.refused) == (2, 1, {"missing": 2, "mask-missing": 1})
    (labelled / "images").rename(tmp_path / "disk")
    (labelled / "images").symlink_to(tmp_path / "unmounted")
    summary = shop()
    assert (summary.removed, summary.kept) == (0, 18)


def test_a_new_index_takes_over_only_with_all_that_the_old_one_holds(shop, plain, monkeypatch):
    shop()
    with monkeypatch.context() as patch:
        close(patch, plain / "1")
        with pytest.raises(UserError, match=r"cannot be read now \(4 of them, '1/1.png' for one\)"):
            shop(lambda: FakeEncoder("other"))
        assert shop.location.describe("shop").identity == FakeEncoder().identity
        assert len(shop.names()) == 12
    summary = shop(lambda: FakeEncoder("other"))
    assert (summary.switched, summary.indexed, summary.unchanged) == (True, 4, 8)
    assert len(shop.names()) == 12


def test_one_stray_quotation_mark_removes_nothing(shop, labelled):
    shop()
    path = labelled / "metadata.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[8] = lines[8].replace(",s", ',"s')
    path.write_text("".join(lines))
    with pytest.raises(UserError, match=r"metadata\.csv, line 9: .* quotation mark"):
        shop()
    assert len(shop.names()) == 20


@POSIX
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir()])
def test_metadata_that_is_no_file_removes_nothing(shop, labelled, make):
    shop()
    (labelled / "metadata.csv").unlink()
    make(labelled / "metadata.csv")
    with pytest.raises(UserError, match=r"metadata\.csv is a"):
        shop()
    assert len(shop.names()) == 20


def test_a_column_by_an_alias_gives_labels_and_one_near_to_an_attribute_is_said(command, labelled):
    path = labelled / "metadata.csv"
    path.write_text(path.read_text().replace("sleeve,color", "sleev,Colour", 1))
    summary, said = command()
    assert summary["unknown_labels"].keys() == {"color=black", "color=white", "color=multi"}
    assert said == summary["warnings"]
    assert said[0].endswith("the column 'sleev' is no attribute and is not read as one; did you mean 'sleeve'?")
    path.write_text(path.read_text().replace("sleev,Colour", "color,Colour", 1))
    with pytest.raises(UserError, match=r"line 2: The columns 'color' and 'Colour' both give the color"):
        command()


@POSIX
def test_a_listing_says_what_it_could_not_list(plain, monkeypatch):
    (plain / "2").rename(plain / "2.png")  # a folder that is named like a photo
    (plain / "self").symlink_to("self")
    (plain / "0" / "dead.png").symlink_to("nowhere")
    close(monkeypatch, plain / "2.png")
    listing = list_folder(plain)
    assert listing.closed == {plain / "2.png": "Permission denied"}
    assert listing.dead_links == [plain / "0" / "dead.png", plain / "self"]
    assert [photo.parent.name for photo in listing.photos] == ["0"] * 5 + ["1"] * 4
    close(monkeypatch, plain)
    with pytest.raises(UserError, match=r"(?i)permission denied"):
        list_folder(plain)
