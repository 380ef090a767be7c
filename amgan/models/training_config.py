"""What every method's configuration has: what it learns from, and how it is optimised."""

from __future__ import annotations

from dataclasses import dataclass

from amgan.config import setting


@dataclass(frozen=True)
class LessonsConfig:
    """What a batch consists of. The paper has unpaired photographs, one edited attribute at a time."""

    pairs: float = setting(0.0, low=0, high=1)  # share of a batch that trains on constructed pairs
    several: float = setting(0.0, low=0, high=1)  # share of items with more than one attribute edited
    extra: float = setting(0.0, low=0, high=1)  # share of a batch from --extra garments
    fresh: float = setting(1.0, above=0, high=1)  # of drawn pairs, the share that is new: drawing costs a processor
    patterned: float = setting(0.0, low=0, high=1)  # of the edits of plain and patterned garments, those of the pattern
    dyed: float = setting(0.0, low=0, high=1)  # of recoloured photographs, those shown in a strong colour first
    outline_weight: float = setting(1.0, above=0)  # how much rather the sleeve is edited than another attribute
    longer_weight: float = setting(1.0, above=0)  # how much rather longer sleeves are asked for than shorter ones
    balance: float = setting(0.0, low=0, high=1)  # 0 draws as the data are, 1 every value equally often


@dataclass(frozen=True)
class OptimisationConfig:
    """Adam (0.5, 0.999); rates are constant, then linear to zero. Progress is counted in thousands of images (kimg)."""

    batch: int = setting(16, low=1)
    kimg: float = setting(2560.0, above=0)  # paper: 80 thousand iterations of 16 for each of two attributes
    lr: float = setting(1e-4, low=0, high=1)
    critic_lr: float = setting(1e-4, low=0, high=1)
    warm_up: int = setting(0, low=0)  # steps until the full rates
    decay_from: float = setting(0.5, low=0, high=1)  # constant until this share of the run
    clip: float = setting(0.0, low=0)  # longest gradient of the generator; 0 leaves all as they are
    ema_kimg: float = setting(0.0, low=0)  # half-life of the averaged generator; 0: no average
    seed: int = setting(0, low=0)
    bf16: bool = True  # where it trains faster than float32, which is measured at the start
    channels_last: bool = True
    compile: bool = False  # generator and teacher by torch.compile; on a CPU it needs a C++ compiler
    snapshot_kimg: float = setting(8.0, above=0)  # how often to save, validate and draw a sheet
