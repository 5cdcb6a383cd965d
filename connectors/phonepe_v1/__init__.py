"""PhonePe's legacy API (version 1, X-VERIFY), for merchants who still hold a salt key."""
