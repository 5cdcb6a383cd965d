"""The wire contract: every topic, its key, its model and how long it is kept. No Faust and no SDKs in here."""
