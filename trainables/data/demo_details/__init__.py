"""A data set drawn from a seed: classes that differ in a small detail of a larger picture."""
