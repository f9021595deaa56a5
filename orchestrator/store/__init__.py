"""The store: what happened, written once, and the only thing that decides what is done."""
