"""The HTTP service: a catalogue that a shop's own site searches with edited garments. ``serve-catalog`` starts it.

One process, one catalogue. The event loop only moves bytes; photos, networks and the store are worked on in a few
threads behind a bounded queue (``work``), edits of callers that wait at the same time in one pass (``batching``).
Nothing in this process traces or compiles a network.
"""
