"""Entries: results and arguments as bytes (`pickling`), and stored results as data (`results`)."""
