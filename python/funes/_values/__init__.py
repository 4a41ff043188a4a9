"""Values: one rule a type for how it is hashed, one file a library. `rules` has the table that the extension asks."""
