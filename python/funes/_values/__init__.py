"""Type rules: how values of each type are hashed, one file per library. `rules` has the table."""
