"""How searches go on: what they try next, what is left early, what they have found."""
