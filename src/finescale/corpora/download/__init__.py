"""Raw files from the network: whole, checked while they stream, and pinned."""
