"""A real broker and a real PostgreSQL on this machine, without Docker, for the demo, for tests and for development."""
