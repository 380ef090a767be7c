"""Editing: the ``Editor`` that page, search and reports speak to, edits at source size, and exported runtimes."""
