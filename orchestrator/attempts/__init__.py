"""One attempt at one training, and what watches over it."""
