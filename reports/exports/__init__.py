"""Cells for whoever wants to compute on."""
