"""Fine-grained classification: what its methods have in common."""
