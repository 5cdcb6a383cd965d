"""The Faust apps and one file per agent. Agents are thin: decode, call a service, acknowledge."""
