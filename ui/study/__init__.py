"""The user study: people say which editor's picture is best, without knowing whose is whose (paper, section 4)."""
