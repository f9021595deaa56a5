"""What is drawn of tables, curves and searches."""
