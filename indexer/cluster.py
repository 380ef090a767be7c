"""Joining a Ray cluster, or starting one in this process; what goes wrong there is one sentence.

Ray is imported here and in ``indexer.ray_data`` only, when a run asks for it.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from types import ModuleType

from amgan.errors import UserError

LOCAL, AUTO = "local", "auto"
_SECONDS = 10  # for a cluster to answer


@contextmanager
def joined(address: str) -> Iterator[ModuleType]:
    """The ``ray`` module, connected while the block runs.

    A process that is connected already stays so.

    Args:
        address: ``host:6379``, of a cluster that this machine is part of; ``auto``, the one that runs on this machine
            or, where there is none, as ``local``; ``local``, one in this process, of all its processors.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """
    _require_ray()
    if address not in (LOCAL, AUTO):
        _require_somebody(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # the rest is in the files of Ray's session
    import ray

    if ray.is_initialized():
        with redirect_stdout(sys.stderr):  # where Ray says that a process died; standard output is the command's own
            yield ray
        return
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == AUTO:
            ray.init(include_dashboard=False, **quiet)
        elif address == LOCAL:
            ray.init(address=LOCAL, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except Exception as error:  # Ray raises plain Exception, too
        raise UserError(f"The Ray cluster {address} cannot be used: {first_line(error)}") from None
    try:
        with redirect_stdout(sys.stderr):
            yield ray
    finally:
        ray.shutdown()


def first_line(error: BaseException) -> str:
    """What an exception of Ray says, without the traces that it appends."""
    text = str(error).strip() or type(error).__name__
    return f"{text.splitlines()[0].strip().rstrip('.')}."


def _require_ray() -> None:
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        raise UserError(
            "--ray needs Ray Data, which is not installed; install it on every machine of the cluster with: "
            "pip install 'amgan[ray]'"
        )


def _require_somebody(address: str) -> None:
    """Ray itself waits long for a cluster that is not there, and then ends the process."""
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+):\d{1,5}", address):
        raise UserError(
            f"{address!r} is not the address of a Ray cluster; one looks like 10.0.0.5:6379 ('ray status' on a machine "
            "of the cluster shows it), auto is the cluster of this machine, and local starts one here."
        )
    import grpc

    with grpc.insecure_channel(address) as channel:
        try:
            if os.environ.get("RAY_USE_TLS", "0") != "1":
                grpc.channel_ready_future(channel).result(timeout=_SECONDS)
        except grpc.FutureTimeoutError:
            raise UserError(
                f"No Ray cluster answers at {address} within {_SECONDS} s. Is it running ('ray start --head'), and is "
                "the address right?"
            ) from None
