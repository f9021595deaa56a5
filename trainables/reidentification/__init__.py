"""Person re-identification: what its methods have in common."""
