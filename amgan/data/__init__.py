"""Labelled garments: reading them, holding them, drawing batches of them."""
