"""Explains why a call is a hit or a miss.

::

    explain         asks memory, disk, other versions, other functions
      explanation     the answer
      other_versions  the other versions of the function
      renamed         the same code under another name
      nearest         the stored call whose arguments are nearest
        argument_diff   where the arguments of two calls differ
"""
