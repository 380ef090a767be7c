"""Answers in SQLite: on disk before the next question is shown, and never changed after.

Each answer is one transaction, synchronised to disk (write-ahead log, ``synchronous=FULL``). A second thought is a
further row; the last one counts. Several pages and processes may write at the same time.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from amgan.errors import UserError
from ui.study.design import Trial

FILE = "answers.sqlite"
CODE = "abcdefghjkmnpqrstuvwxyz23456789"  # what cannot be mistaken for something else when read aloud
CODE_LENGTH = 10

SCHEMA = """
CREATE TABLE IF NOT EXISTS study (id TEXT NOT NULL, one INTEGER PRIMARY KEY CHECK (one = 1));
CREATE TABLE IF NOT EXISTS participants (
    code TEXT PRIMARY KEY,
    slot INTEGER NOT NULL UNIQUE,
    joined TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    participant TEXT NOT NULL REFERENCES participants (code),
    comparison INTEGER NOT NULL,
    repeat INTEGER NOT NULL,
    question TEXT NOT NULL,
    picture TEXT,             -- NULL: cannot decide
    position INTEGER,         -- from 0
    seconds REAL NOT NULL,    -- since the question was shown
    given TEXT NOT NULL       -- UTC
);
CREATE INDEX IF NOT EXISTS by_participant ON answers (participant);
CREATE TRIGGER IF NOT EXISTS answers_stay BEFORE UPDATE ON answers
    BEGIN SELECT RAISE(ABORT, 'answers are never changed'); END;
CREATE TRIGGER IF NOT EXISTS answers_remain BEFORE DELETE ON answers
    BEGIN SELECT RAISE(ABORT, 'answers are never deleted'); END;
"""


@dataclass(frozen=True)
class Answer:
    """One choice. ``picture`` and ``position`` (from 0) are None where the participant could not decide."""

    participant: str
    comparison: int
    repeat: bool
    question: str
    picture: str | None
    position: int | None
    seconds: float


Key = tuple[int, bool, str]  # comparison, repeat, question


class Answers:
    """The answers of one study. Every call opens the file anew, so threads and processes share an object or not.

    Raises:
        UserError: the file cannot be used, or holds another study's answers.
    """

    def __init__(self, folder: Path, study: str) -> None:
        self.path = folder / FILE
        with self._open() as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(SCHEMA)
            db.execute("INSERT OR IGNORE INTO study VALUES (?, 1)", (study,))
            (owner,) = db.execute("SELECT id FROM study").fetchone()
        if owner != study:
            raise UserError(f"{self.path} holds the answers of another study; move it away, or go back to that study.")

    def join(self) -> str:
        """A new participant's code; the slot is the next free one, also when several join at once."""
        code = "".join(secrets.choice(CODE) for _ in range(CODE_LENGTH))
        with self._open() as db:
            db.execute(
                "INSERT INTO participants SELECT ?, COALESCE(MAX(slot) + 1, 0), ? FROM participants", (code, _now())
            )
        return code

    def slot(self, code: str) -> int:
        """The slot of a participant. Raises UserError when nobody has that code."""
        with self._open() as db:
            row = db.execute("SELECT slot FROM participants WHERE code = ?", (code,)).fetchone()
        if row is None:
            raise UserError("Nobody in this study has that code. Check it, or begin anew.")
        return row[0]

    def save(self, *answers: Answer) -> None:
        """Returns once the answers are on disk, all or none."""
        rows = [
            (a.participant, a.comparison, a.repeat, a.question, a.picture, a.position, a.seconds, _now())
            for a in answers
        ]
        with self._open() as db:
            db.executemany(
                "INSERT INTO answers (participant, comparison, repeat, question, picture, position, seconds, given) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def of(self, participant: str) -> dict[Key, Answer]:
        """What a participant has answered, the last answer to each question."""
        return {(a.comparison, a.repeat, a.question): a for a in self._rows("WHERE participant = ?", (participant,))}

    def all(self) -> list[Answer]:
        """The last answer of everybody to each question."""
        last = {(a.participant, a.comparison, a.repeat, a.question): a for a in self._rows("", ())}
        return list(last.values())

    def participants(self) -> dict[str, int]:
        """Slots by code, in the order of joining."""
        with self._open() as db:
            return dict(db.execute("SELECT code, slot FROM participants ORDER BY slot"))

    def _rows(self, where: str, values: tuple[str, ...]) -> list[Answer]:
        columns = "participant, comparison, repeat, question, picture, position, seconds"
        with self._open() as db:
            rows = db.execute(f"SELECT {columns} FROM answers {where} ORDER BY number", values).fetchall()
        return [Answer(p, c, bool(r), q, *rest) for p, c, r, q, *rest in rows]

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection whose work is one transaction, committed to disk at the end. Raises UserError."""
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as db:
                db.execute("PRAGMA synchronous=FULL")  # what was saved outlives a loss of power
                with db:
                    yield db
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            raise UserError(f"{self.path} cannot be used: {error}.") from None


def step_of(trials: list[Trial], questions: list[str], answered: dict[Key, Answer]) -> int:
    """The first question that is not answered, counted over all trials; their number where all are."""
    keys = [(t.comparison, t.repeat, q) for t in trials for q in questions]
    return next((i for i, key in enumerate(keys) if key not in answered), len(keys))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
