"""What several seeds say: means, comparisons, bold and marks."""
