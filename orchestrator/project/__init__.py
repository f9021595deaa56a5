"""A project of one's own, and the files in which its studies are declared."""
