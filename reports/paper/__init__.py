"""What a paper needs beside its tables."""
