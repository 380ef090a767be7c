"""``python -m amgan``, for launchers that start modules."""

from amgan.cli import main

main()
