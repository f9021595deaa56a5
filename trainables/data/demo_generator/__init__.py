"""Generator of the demo pedestrians; run by hand when the archive is to change, never at run time."""
