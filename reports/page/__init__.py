"""One page that opens without a server."""
