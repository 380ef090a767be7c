"""Fast editing on a processor: the generator in what runs it fastest and still makes the same pictures."""

from amgan.editing.runtimes.choice import find_fastest, remembered
from amgan.editing.runtimes.engines import ENGINES, Network, eager
from amgan.editing.runtimes.exported import CARD, Exported, export, load_exported

__all__ = [
    "CARD",
    "ENGINES",
    "Exported",
    "Network",
    "eager",
    "export",
    "find_fastest",
    "load_exported",
    "remembered",
]
