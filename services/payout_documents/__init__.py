"""Documents about payouts for people to read and print."""
