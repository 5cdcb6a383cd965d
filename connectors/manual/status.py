"""No gateway has a status to map here: a manual payment is what the people say who submit, approve and reject it."""
