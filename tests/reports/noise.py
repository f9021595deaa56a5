"""Values of tables in which nothing differs but by chance."""

import numpy as np


def noise(
    num_rows: int = 5, num_seeds: int = 10, *, num_tables: int = 1, num_columns: int = 1, seed: int = 0
) -> np.ndarray:
    """Standard normal values (B, C, R, N)."""
    return np.random.default_rng(seed).normal(size=(num_tables, num_columns, num_rows, num_seeds))
