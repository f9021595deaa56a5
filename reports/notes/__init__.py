"""What is said below tables and beside plans."""
