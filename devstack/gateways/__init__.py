"""Stand-ins for gateways that nobody else provides one for, for the demo and the tests."""
