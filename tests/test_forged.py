"""An index from a stranger names no file outside the catalogue."""

import numpy as np
import pytest

from amgan.errors import UserError
from amgan.photos.decode import Place
from retrieval.search import Searcher
from retrieval.stores.base import Point, point_id
from retrieval.stores.memory import MemoryLocation
from tests.fake_encoder import SCHEMA, FakeEncoder, draw_garment


class Editor:
    schema, image_size = SCHEMA, 32


@pytest.mark.parametrize("name", ["{root}/secret.png", "../secret.png", "a/../../secret.png", "C:\\secret.png", ""])
def test_names_that_lead_outside(tmp_path, name):
    draw_garment(tmp_path / "secret.png", 1)
    (tmp_path / "shop").mkdir()
    encoder = FakeEncoder()
    store = MemoryLocation().create("x", encoder.identity, SCHEMA)
    forged = {"file_name": name.format(root=tmp_path), "mask_file_name": None}
    vector = np.ones(encoder.identity.dimensions, np.float32)
    store.upsert([Point(point_id("a"), vector, forged)])
    searcher = Searcher(store, encoder, Editor(), tmp_path / "shop")
    assert searcher.nearest(vector, 1)[0].photo is None
    with pytest.raises(UserError, match=r"none of the catalogue's|folder itself"):
        searcher.item_cutout(forged)
    draw_garment(tmp_path / "shop" / "a.png", 1)
    honest = {"file_name": "a.png", "mask_file_name": None}
    assert searcher.photo_of(honest) == Place(tmp_path / "shop" / "a.png")
    assert searcher.item_cutout(honest).trusted
    with pytest.raises(UserError, match="none of the catalogue's"):
        searcher.item_cutout({"file_name": "a.png", "mask_file_name": forged["file_name"] or "/"})
