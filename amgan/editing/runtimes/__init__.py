"""Fast editing on a processor: the generator in whatever runs it fastest and still makes the same pictures."""

from amgan.editing.runtimes.choice import cache_folder, fastest, remembered
from amgan.editing.runtimes.engines import ENGINES, Network, eager
from amgan.editing.runtimes.exported import CARD, Exported, export, load_exported

__all__ = [
    "CARD",
    "ENGINES",
    "Exported",
    "Network",
    "cache_folder",
    "eager",
    "export",
    "fastest",
    "load_exported",
    "remembered",
]
