"""A text of sections, lists and tables, and the formats that it is written in."""
