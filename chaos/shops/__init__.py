"""The gateways of a run, seen from outside: payers who pay there, callbacks that follow, and what really moved."""
