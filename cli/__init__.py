"""The command line. Commands are thin: they read options, call a layer below and print."""
