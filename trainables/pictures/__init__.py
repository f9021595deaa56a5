"""Pictures of what a trained network does, drawn at the worker with Pillow alone."""
