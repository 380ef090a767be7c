"""AMGAN (Ak, Lim, Tham, Kassim, ICCV 2019): generator, losses, critics, crop, attention, and its method of training."""
