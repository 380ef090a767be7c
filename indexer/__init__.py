"""Reading a catalogue of photos into an index, again and again: ``index-catalog``."""
