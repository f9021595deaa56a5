"""What a study declares, checked when it is built: tables, rows, ranges, searches."""
