"""Nobody posts callbacks about manual payments, so there is nothing to prove and nothing to parse."""
