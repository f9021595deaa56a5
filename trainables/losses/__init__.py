"""Loss terms that two papers share."""
