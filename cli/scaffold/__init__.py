"""The beginning of a new connector: templates, and what fills them in."""
