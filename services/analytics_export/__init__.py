"""Topics as files for analysts: Parquet, DuckDB or JSON lines, from the beginning, and each time on from there."""
