"""The audit: every invariant of the house, recomputed from the tables and the topics."""
