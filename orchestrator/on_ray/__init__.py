"""Where Ray is: its cluster, Tune, and the workers' side."""
