"""Training of the classifiers and of AMGAN: progress in images, resume by the same command."""
