"""Networks that edit and networks that see. ``amgan.models.amgan`` is the paper."""
