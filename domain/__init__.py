"""Pure rules of money: no I/O, no clock, no randomness. See DESIGN's map in docs/ARCHITECTURE.md."""
