"""The page: choose a garment, change it, see what the catalogue has that looks like the result."""
