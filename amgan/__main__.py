"""``python -m amgan``, for launchers that start modules."""

from amgan.cli import main

if __name__ == "__main__":
    main()
