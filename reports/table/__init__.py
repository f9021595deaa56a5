"""A table without a format."""
