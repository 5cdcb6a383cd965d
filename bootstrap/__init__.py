"""What every process starts with: settings, logging, the clock, metrics and the wiring of parts."""
