"""How often one caller may ask."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from retrieval.service.problems import Problem


class RateLimiter:
    """A bucket for each caller, filled at ``rate`` a second up to ``burst``; a request takes its cost out of it.

    Only the ``most`` callers that came last are remembered; one that is forgotten begins with a full bucket.
    """

    def __init__(
        self, rate: float, burst: float, most: int = 20_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate, self.burst, self._most, self._clock = rate, burst, most, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller: what is left, when

    def spend(self, caller: str, cost: float = 1.0) -> None:
        """Raises Problem "too-many-requests" when not enough is left."""
        now = self._clock()
        left, then = self._buckets.pop(caller, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.rate)
        enough = left >= cost
        self._buckets[caller] = (left - cost if enough else left, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        if not enough:
            wait = max(1, math.ceil((cost - left) / self.rate))
            raise Problem(
                "too-many-requests",
                f"At most {self.rate:g} requests a second, and {self.burst:g} at once; come back in {wait} s.",
                {"Retry-After": str(wait)},
            )
