"""Network parts that two papers share."""
