"""All that is measured on pictures alone. Training picks its checkpoints by the functions that reports use."""
