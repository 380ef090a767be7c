"""The exceptions that a user is meant to read."""

from __future__ import annotations


class UserError(Exception):
    """Something the caller can put right.

    The message is a full sentence that says what was wrong, where, and what would be valid. Commands print it to
    standard error without a traceback and exit with status 2.
    """


class Interrupted(Exception):
    """A run was interrupted and has saved what it did, which a plain KeyboardInterrupt does not say."""


class TimeIsUp(Exception):
    """A training has used the time that it was given, and has saved what it did."""


class PhotoError(UserError):
    """A picture that cannot be used.

    Attributes:
        reason: stable machine-readable code, for example ``"empty"``, ``"truncated"``, ``"not-an-image"``,
            ``"too-large"``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
