"""The loop that every training runs in: progress in images and in time, interruption, divergence, and seeds that follow
from the step.

Every random draw of step ``k`` comes from a generator seeded by (seed, k). So a resumed run sees what the unbroken one
would have seen, and no generator state is saved. (Where time is limited, learning rates follow the clock as well.)
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from amgan.errors import Interrupted, TimeIsUp, UserError
from amgan.models.interface import Terms
from amgan.training import budget, parallel
from amgan.training.run import Run, console, say

LOG_EVERY = 50  # steps
REPORT_EVERY = 60.0  # seconds
LAST = 0.9  # of the time, after which only the end is validated and saved


class Keeper(Protocol):
    """What a run writes down."""

    def losses(self, step: int, values: dict[str, float]) -> None:
        """Losses after so many steps."""
        ...

    def snapshot(self, step: int) -> str:
        """Validate and save; returns a line that says how it went."""
        ...


def fit(
    title: str,
    run: Run | None,
    steps: range,
    snapshot_every: int,
    train_step: Callable[[int, float], Terms],
    journal: Keeper | None,
) -> None:
    """Train for ``steps`` (from where the run stands to its end).

    Args:
        run: the folder; None in all but the first of several processes, which neither log nor save.
        train_step: of a step from 0 on, and the progress in [0, 1) that learning rates follow: the share of the steps
            that are done, or of the time that is over if that is more; returns losses without waiting for the device.
        journal: None likewise.

    Raises:
        Interrupted: it was told to stop, and has saved.
        TimeIsUp: the command's time is over (``amgan.training.budget``), and it has saved.
        UserError: the losses are not finite any more.
    """
    done, end, stop = steps.start, steps.stop, False
    first, clock = _FirstNotFinite(), _Clock(done)
    if done < end and parallel.any_process(clock.over()):
        raise TimeIsUp
    with interruptible() as interrupted, progress_bar(visible=run is not None) as bar:
        task = bar.add_task(title, total=end, completed=done)
        while done < end and not stop:
            losses = train_step(done, max(done / end, clock.share))
            done += 1
            first.watch(done, losses)
            bar.update(task, completed=done)
            # Asking all processes costs a wait, so only one in ten steps does.
            if not parallel.active() or done % 10 == 0:
                clock.tick(done)
                stop = parallel.any_process(bool(interrupted) or clock.over())
            logs, saves = done % LOG_EVERY == 0 or done == steps.start + 1, done == end or stop
            saves |= done % snapshot_every == 0 and clock.share < LAST  # else the last one comes soon
            if logs or saves:  # the only places where the loop waits for the device
                at = first.step()
                if at is not None:
                    raise UserError(run.not_finite(at, "the losses") if run else f"Diverged at step {at}.")
            if logs:
                means = parallel.mean_over_processes(torch.stack([v.float() for v in losses.values()]))
                values = dict(zip(losses, means.tolist(), strict=True))
                if journal is not None:
                    journal.losses(done, values)
                if run is not None and not console.is_terminal:  # no bar moves in a log
                    clock.report(title, done, end)
            if saves and journal is not None:
                bar.update(task, description="Validating")
                with clock.validating():
                    say(journal.snapshot(done))
                bar.update(task, description=title)
            if saves:  # which takes time
                stop = stop or parallel.any_process(clock.over())
    parallel.wait_for_all()
    if stop and done < end:
        raise Interrupted if parallel.any_process(bool(interrupted)) else TimeIsUp


class _Clock:
    """The time that is over, in all processes the same.

    Attributes:
        share: of the training's time, see ``Budget.share``; 0 where it is not limited.
    """

    def __init__(self, done: int) -> None:
        self._budget, self.share, self._step_seconds = budget.current(), 0.0, 0.0
        self._last = self._reported = (time.monotonic(), done)
        if self._budget is not None:
            self._budget.begin()

    def tick(self, done: int) -> None:
        """After a step; all processes must call it."""
        (then, before), now = self._last, time.monotonic()
        self._step_seconds, self._last = (now - then) / max(1, done - before), (now, done)
        if self._budget is not None:
            self.share = parallel.most_over_processes(self._budget.share())

    def report(self, title: str, done: int, end: int) -> None:
        """A line for a log, once a minute."""
        (then, before), now = self._reported, time.monotonic()
        if now - then > REPORT_EVERY:
            self._reported = now, done
            total = f" of {end:,}" if self._budget is None else f", {self.share:.0%} of the time"
            say(f"{title}: {done:,} steps{total}, {(now - then) / (done - before):.2f} s a step")

    def over(self) -> bool:
        return self._budget is not None and self._budget.over(self._step_seconds)

    @contextlib.contextmanager
    def validating(self) -> Iterator[None]:
        """Around validating and saving."""
        start = time.monotonic()
        yield
        self._last = (time.monotonic(), self._last[1])
        if self._budget is not None:
            self._budget.validated(self._last[0] - start)


class _FirstNotFinite:
    """Remembers, on the device, the first step that had a loss that is not finite."""

    def __init__(self) -> None:
        self._step: Tensor | None = None

    def watch(self, step: int, losses: Terms) -> None:
        bad = ~torch.isfinite(torch.stack([v.float() for v in losses.values()])).all()
        mine = torch.where(bad, float(step), math.inf)
        self._step = mine if self._step is None else torch.minimum(self._step, mine)

    def step(self) -> int | None:
        """The first such step in any of the processes; all must ask."""
        assert self._step is not None
        first = parallel.least_over_processes(self._step)
        return int(first) if math.isfinite(first) else None


# --- Seeds ------------------------------------------------------------------------------------------------------------


def step_seed(seed: int, step: int) -> int:
    """A seed for one step of one run."""
    return (seed * 1_000_003 + step) * 2_654_435_761 % (2**63 - 1)


def seed_step(seed: int, step: int) -> torch.Generator:
    """Seeds torch's own draws (dropout) and returns the generator that everything else of this step draws from."""
    value = step_seed(seed, step)
    torch.manual_seed(value)
    return torch.Generator().manual_seed(value)


# --- Surroundings -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def interruptible() -> Iterator[list[int]]:
    """Within: SIGINT and SIGTERM only fill the list, so that the loop can finish its step, save and leave."""
    caught: list[int] = []
    old = {}
    try:
        for s in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # not in the main thread
                old[s] = signal.signal(s, lambda number, _: caught.append(number))
        yield caught
    finally:
        for s, handler in old.items():
            signal.signal(s, handler)


def progress_bar(visible: bool = True) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=120,
        disable=not visible,
    )
