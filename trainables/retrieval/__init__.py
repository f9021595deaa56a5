"""Measurement of embeddings by retrieval."""
