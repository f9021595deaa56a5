"""What it means: records become tables."""
