"""Embedding, storing and finding garments. Imports ``amgan``; knows nothing of how a catalogue is read."""
