"""Reports with known figures, in the form that ``evaluate-retrieval`` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retrieval.evaluation.reading import FILE


def interval(mean: float, half: float = 0.1) -> dict[str, float]:
    return {"mean": mean, "low": round(mean - half, 4), "high": round(mean + half, 4)}


def edits(accepted: float) -> dict[str, Any]:
    return {
        "sleeve": {
            "edits": 12,
            "macro": {"accepted": interval(accepted), "kept": interval(0.6), "detail_kept": {"mean": None}},
            "values": {
                "short": {"edits": 4, "accepted": accepted - 0.05, "kept": 0.5, "detail_kept": None},
                "long": {"edits": 8, "accepted": round(accepted + 0.05, 4), "kept": 0.7, "detail_kept": 0.9},
            },
            "confusion": {"values": ["short", "long"], "matrix": [[3, 1], [1, 7]]},
        },
        "color": {
            "edits": 10,
            "macro": {"accepted": interval(0.9, 0.05), "kept": interval(0.8), "colour_pixels": interval(0.95, 0.02)},
            "values": {
                "red": {"edits": 5, "accepted": 0.92, "kept": 0.8, "colour_pixels": 1.0},
                "blue": {"edits": 5, "accepted": 0.88, "kept": 0.8, "colour_pixels": 0.9},
            },
        },
    }


def row(first: float, tenth: float, values: bool = True) -> dict[str, Any]:
    curve = {"1": interval(first), "10": interval(tenth)}
    told = {"long": {"queries": 8, "1": 0.3, "10": 0.6}, "short": {"queries": 4, "1": 0.1, "10": 0.4}}
    part = {"queries": 12, "hit": curve} | ({"values": told} if values else {})
    return {"hit": curve, "attributes": {"sleeve": part, "color": {"queries": 10, "hit": curve}}}


def protocols(rows: dict[str, float]) -> dict[str, Any]:
    return {
        protocol: {
            network: {
                "queries": 22,
                "gallery": 40,
                "rows": {name: row(tenth / 2, tenth, protocol == "A") for name, tenth in rows.items()},
            }
            for network in ("teacher", "judge")
        }
        for protocol in ("A", "B")
    }


COMMON = {
    "version": 3,
    "data": {"folder": "shirts", "split": "test", "photos": 11, "protocol": "labels", "sha256": "0" * 64},
    "weights": {"name": "photos"},
    "warnings": ["Few photos."],
    "command": "evaluate-retrieval shirts",
    "machine": "x86_64, 2 processors, Linux",
}


def single() -> dict[str, Any]:
    return COMMON | {
        "edits": {"edited": edits(0.8), "no edit": edits(0.1)},
        "overall": {"edited": {"accepted": interval(0.85)}, "no edit": {"accepted": interval(0.1)}},
        "protocols": protocols({"edited": 0.5, "unedited": 0.2, "chance": 0.1}),
    }


def comparison() -> dict[str, Any]:
    return COMMON | {
        "methods": {
            "one": {"edits": edits(0.8), "overall": {"accepted": interval(0.8)}},
            "two": {"edits": edits(0.7), "overall": {"accepted": interval(0.7)}},
        },
        "references": {"edits": {"no edit": edits(0.1)}, "overall": {"no edit": {"accepted": interval(0.1)}}},
        "compared": {
            "accuracy by the judge": {
                "methods": {"one": interval(0.8), "two": interval(0.7)},
                "differences": {"two - one": {"mean": -0.1, "low": -0.2, "high": -0.05}},
            }
        },
        "protocols": protocols({"one": 0.5, "two": 0.4, "unedited": 0.2, "chance": 0.1}),
    }


def write(folder: Path, content: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / FILE).write_bytes(data)
    return folder
