"""What runs: studies become plans, plans become trials, trials become records."""
