"""What a method promises to the rest of the system."""
