"""What trainings have cost, and what is left will cost."""
