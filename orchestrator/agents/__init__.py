"""Trainings one after the other in processes of one's own, without Ray."""
