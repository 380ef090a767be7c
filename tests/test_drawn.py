"""Pairs that are drawn while training goes on: what they are, which ones a step sees, that nothing waits for them."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from amgan.config import changed
from amgan.data import drawn, stream
from amgan.data.drawn import FINER, RUN_SEEDS, draw_pairs, run_seeds, validation_seeds
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.data.stream import DrawnStream, as_garments, joined, validation_garments
from amgan.errors import UserError
from amgan.lessons.descriptors import Descriptors
from amgan.schema import AttributeSchema
from amgan.synth import SCHEMA
from amgan.synth.folder import EDIT_SHARE, TRAINING_SEEDS, SynthFolder, write_synth
from amgan.testing import tiny_weights
from amgan.training import supply
from amgan.training.command import TrainOptions, train_command
from amgan.training.presets import PRESETS
from amgan.training.supply import Drawn, Supply
from amgan.weights import load_classifier

CPU = torch.device("cpu")
SIZE = 32
TINY = changed(PRESETS["tiny"].amgan, pairs=0.9)


class Here:
    """In the place of the processes: draws at once, or only when it is told to."""

    def __init__(self, waits=False):
        self.waits, self.asked = waits, []

    def submit(self, work, *arguments):
        future = Future()
        self.asked.append((future, work, arguments))
        if not self.waits:
            self.draw()
        return future

    def draw(self):
        for future, work, arguments in self.asked:
            if not future.done():
                future.set_result(work(*arguments))

    def shutdown(self, **_):
        pass


drawn_once = functools.cache(draw_pairs)


def draw(seeds, size):
    return drawn_once(tuple(seeds), size)


@pytest.fixture
def here(monkeypatch):
    """Small chunks, drawn in this process."""
    monkeypatch.setattr(stream, "CHUNK", 4)
    monkeypatch.setattr(stream, "WINDOW", 3)
    monkeypatch.setattr(stream, "draw_all", lambda seeds, size, title: [draw(s, size) for s in seeds])
    monkeypatch.setattr(stream, "draw_pairs", draw)
    pool = Here()
    monkeypatch.setattr(stream, "drawing_pool", lambda workers: pool)
    return pool


def test_pairs_are_those_of_a_folder(tmp_path, monkeypatch):
    size = 64
    monkeypatch.setattr(drawn, "LESSON_SHARE", EDIT_SHARE)  # else other attributes are edited more often
    for _ in write_synth(tmp_path, SynthFolder(6, TRAINING_SEEDS, round(FINER * size), 1, True, "train"), 1):
        pass
    folder = read_imagefolder(tmp_path)
    read = load_garments(folder, folder.records, size, progress=False)
    pairs = as_garments(draw_pairs(range(TRAINING_SEEDS, TRAINING_SEEDS + 6), size))
    assert pairs.schema == read.schema and len(pairs) == 6
    for name in ("images", "masks", "labels"):
        assert torch.equal(getattr(pairs, name), getattr(read, name)), name
    for name in ("images", "masks", "labels", "attribute", "of"):
        assert torch.equal(getattr(pairs.truths, name), getattr(read.truths, name)), name


def test_seeds_of_runs_validation_and_tests_are_apart():
    val = validation_seeds(50)
    assert min(val) >= TRAINING_SEEDS and max(val) < RUN_SEEDS  # tests have smaller ones
    folder = SynthFolder(1, TRAINING_SEEDS)
    assert {folder.split_of(s) for s in val} == {"val"}
    assert min(run_seeds(0, [0])) > max(val) and not set(run_seeds(0, range(99))) & set(run_seeds(1, range(99)))


def numbers(drawn):
    return [c.number for c in drawn.chunks]


@pytest.mark.thorough
def test_which_pairs_a_step_sees_follows_from_the_step(here):
    whole = DrawnStream(SIZE, 0, rows=2.0)
    assert numbers(whole) == [0, 1, 2] and not whole.advance(0)
    seen = {}
    for step in range(12):
        whole.advance(step)
        seen[step] = numbers(whole)
    assert seen[1] == [0, 1, 2] and seen[2] == [1, 2, 3] and seen[11] == [5, 6, 7]  # two steps use up a chunk
    resumed = DrawnStream(SIZE, 0, rows=2.0, step=8)
    assert numbers(resumed) == seen[8]
    a, b = (joined(c.garments for c in s.chunks) for s in (resumed, DrawnStream(SIZE, 0, rows=2.0, step=8)))
    assert torch.equal(a.images, b.images) and a.item_ids == b.item_ids
    assert a.item_ids[0] == str(RUN_SEEDS + 4 * 4) and whole.fresh(11)[0] == 1


def test_training_does_not_wait_and_no_more_is_drawn_than_needed(here):
    here.waits = True
    drawn = DrawnStream(SIZE, 0, rows=4.0, workers=2)
    assert not any(drawn.advance(step) for step in range(9)) and numbers(drawn) == [0, 1, 2]
    assert len(here.asked) == 3 and drawn.fresh(8)[0] == 0  # a task for each process and one behind
    here.draw()
    assert drawn.advance(9) and numbers(drawn) == [3, 4, 5] and drawn.fresh(9)[0] == pytest.approx(3 / 9)
    for _ in range(30):
        here.draw()
        drawn.advance(9)
    assert numbers(drawn) == [9, 10, 11] and len(here.asked) == 9 + stream.AHEAD


def test_what_was_drawn_before_a_process_was_killed_is_kept_and_the_rest_drawn_again(here, monkeypatch):
    drawn, submit = DrawnStream(SIZE, 0, rows=4.0, workers=2), here.submit

    def once_broken(*_):
        monkeypatch.setattr(here, "submit", submit)
        raise BrokenProcessPool

    drawn.advance(0)
    monkeypatch.setattr(here, "submit", once_broken)  # the chunk that is due is there; asking for more fails
    assert drawn.advance(1) and numbers(drawn) == [1, 2, 3]
    assert [n for n, _ in drawn._coming] == [4, 5, 6, 7] and len(here.asked) == 5
    # Of three that are due the second was lost: no chunk is left out.
    lost = Future()
    lost.set_exception(BrokenProcessPool())
    drawn._coming[1] = (5, lost)
    assert drawn.advance(4) and [n for n, _ in drawn._coming][:1] == [5] and numbers(drawn) == [2, 3, 4]
    assert drawn.advance(4) and numbers(drawn) == [4, 5, 6]


def test_a_share_of_new_pairs_moves_the_window_on_so_much_more_slowly(here, tmp_path):
    teacher, val = (
        load_classifier(tiny_weights(tmp_path, SCHEMA, SIZE)),
        as_garments(draw_pairs(validation_seeds(4), SIZE)),
    )
    moved = {}
    for fresh in (1.0, 0.25):
        supply = Supply(Drawn(), None, val, teacher, changed(TINY, fresh=fresh), CPU, 0, 1)  # four rows a step: a chunk
        for step in range(9):
            supply.at(step)
        assert supply._stream is not None
        moved[fresh] = numbers(supply._stream)[-1]
    assert moved == {1.0: 2 + 8, 0.25: 2 + 2}


def test_lessons_renewed_are_those_made_anew(here, tmp_path):
    """The maker of batches, moved on chunk by chunk, against one that is made of the same garments."""
    weights = tiny_weights(tmp_path / "weights", SCHEMA, SIZE)
    teacher = load_classifier(weights)
    val = as_garments(draw_pairs(validation_seeds(4), SIZE))
    schema = AttributeSchema.from_dict({n: SCHEMA.values(n) for n in ("sleeve", "color")})
    photos = replace(as_garments(draw(range(12), SIZE)).with_schema(schema), truths=None)
    config = changed(TINY, extra=0.5, several=0.5)
    small = load_classifier(tiny_weights(tmp_path / "small", schema, SIZE))
    for data, extra, of, eye in ((Drawn(), None, val, teacher), (photos, Drawn(), photos, small)):
        got = Supply(data, extra, of, eye, config, CPU, 0, 1)
        first = got.at(0)
        moved = [got.at(step) for step in range(7)][-1]
        assert moved is not first and got.at(6) is moved and float(got.terms(6)["fresh"]) == 1
        window = joined(c.garments for c in got._stream.chunks if c.garments is not None)
        anew = supply.make_batches(*((window, None) if extra is None else (data, window)), eye, config, CPU)
        assert torch.equal(moved.weights, anew.weights)
        a, b = moved.data.descriptors, anew.data.descriptors
        assert isinstance(a, Descriptors) and a.own == b.own and torch.allclose(a.features, b.features, atol=1e-5)
        for seed in range(3):
            x, y = (m.draw(torch.Generator().manual_seed(seed)) for m in (moved, anew))
            for name in ("photos", "source", "reference", "wanted", "edited", "labels"):
                torch.testing.assert_close(getattr(x, name), getattr(y, name), msg=name)


def test_validation_garments_are_drawn_once(here, tmp_path, monkeypatch):
    monkeypatch.setenv("AMGAN_CACHE", str(tmp_path))
    drawn = validation_garments(SIZE, 8)
    monkeypatch.setattr(stream, "draw_all", None)
    again = validation_garments(SIZE, 8)
    assert drawn.item_ids == again.item_ids == tuple(map(str, validation_seeds(8))) and again.truths is None
    for name in ("images", "masks", "labels"):
        assert torch.equal(getattr(drawn, name), getattr(again, name))


@pytest.mark.thorough
@pytest.mark.parametrize("model", ["amgan", "stargan"])
def test_training_on_drawn_garments_goes_on(model, here, tmp_path, monkeypatch):
    monkeypatch.setattr("amgan.training.command.validation_garments", lambda size: validation_garments(size, 8))
    monkeypatch.chdir(tmp_path)
    weights = tiny_weights(tmp_path / "weights", SCHEMA, SIZE)
    for role in ("teacher", "judge"):
        shutil.copytree(weights / role, tmp_path / "run" / role)
    options = TrainOptions(Path("synth"), tmp_path / "run", model, preset="tiny", device="cpu")
    train_command(options)
    train_command(replace(options, settings=("kimg=0.024",)))
    assert (tmp_path / "run" / "editor" / "config.json").is_file()
    assert '"fresh"' in (tmp_path / "run" / "editor-run" / "stats.jsonl").read_text()
    with pytest.raises(UserError, match="classifiers learn from a folder"):
        train_command(TrainOptions(options.data, tmp_path / "other", preset="tiny", device="cpu"))
    with pytest.raises(UserError, match="leave out --attributes and --extra"):
        train_command(TrainOptions(options.data, tmp_path / "run", extra=options.data, preset="tiny", device="cpu"))


KILLED = """
import sys, time
from amgan.data.drawn import draw_pairs
from amgan.data.stream import drawing_pool
if __name__ == "__main__":
    pool = drawing_pool(1)
    pool.submit(draw_pairs, [1_000_000], 32).result()
    print(*pool._processes, flush=True)
    pool.submit(draw_pairs, range(1_000_000, 1_002_000), 32)
    time.sleep(60)
"""


@pytest.mark.thorough
def test_processes_end_with_the_training_however_it_ends(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    child = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    worker = int(child.stdout.readline())
    os.kill(worker, signal.SIGTERM)  # of the whole group: that is the training's business
    time.sleep(0.2)
    os.kill(worker, 0)
    child.kill()
    child.wait()
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("the process still draws")


@pytest.mark.thorough
def test_a_process_that_is_killed_is_replaced(monkeypatch):
    monkeypatch.setattr(stream, "CHUNK", 2)
    monkeypatch.setattr(stream, "WINDOW", 1)
    drawn = DrawnStream(SIZE, 0, rows=2.0, progress=False)
    try:
        drawn.advance(0)
        for process in drawn._pool._processes.values():
            process.kill()
        until = time.monotonic() + 60
        while numbers(drawn) != [2] and time.monotonic() < until:
            drawn.advance(2)
            time.sleep(0.05)
        assert numbers(drawn) == [2]
    finally:
        drawn.close()
