"""Critical sizes: where the better of two methods changes, and what the paper printed of it."""
