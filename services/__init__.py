"""Use cases. Each owns its transaction boundaries; none knows HTTP, Faust or the command line."""
