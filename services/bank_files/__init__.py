"""Bank files: what a treasurer uploads to a bank so that approved payout batches are paid."""
