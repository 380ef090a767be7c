"""What operators see: one JSON line in the log for each request, and counters for Prometheus.

No picture, no key and no address of a caller is logged.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class Metrics:
    """A service's own registry, so that several in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        name = {"namespace": "amgan", "registry": self.registry}
        self.requests = Counter("requests", "Requests answered.", ["method", "route", "status"], **name)
        self.seconds = Histogram(
            "request_seconds", "From first byte to answer.", ["method", "route"], buckets=_SECONDS, **name
        )
        self.running = Gauge("requests_running", "Requests that are not answered yet.", **name)
        self.queued = Gauge("work_pending", "Work under way or waiting, by pool.", ["pool"], **name)
        self.batches = Histogram(
            "edits_per_pass", "Edits that went through the network together.", buckets=(1, 2, 4, 8, 16, 32), **name
        )
        self.index = Gauge("index_info", "The index that is served.", ["collection", "version"], **name)

    def show_index(self, collection: str, version: str) -> None:
        self.index.clear()
        self.index.labels(collection, version).set(1)


class JsonLines(logging.Formatter):
    """``{"time": …, "level": …, "event": …, …}``: what ``extra={"fields": {…}}`` names, beside each other."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": moment, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_as_json(stream: TextIO = sys.stderr) -> None:
    """Have the service's log, and the server's, written as JSON lines, and nothing else of theirs."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name in ("amgan", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
