"""How a method is trained and measured; one file a paper."""
