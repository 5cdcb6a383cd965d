"""PayTabs: payment pages, follow-up transactions and recurring charges, through the PT2 API."""
