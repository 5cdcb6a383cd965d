"""Payment commands: one runner in three phases, and a table of what each kind of command checks, asks and records."""
