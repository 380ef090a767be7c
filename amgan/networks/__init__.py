"""Generator, discriminators and classifiers."""
