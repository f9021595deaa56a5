"""The training loop of the papers, and what it is made of."""
