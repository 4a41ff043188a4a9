"""Explains why a call is a hit or a miss.

::

    explain         searches memory, disk, other versions, other functions
      explanation     holds and formats the explanation
      other_versions  lists the other versions of the function
      renamed         finds the same code under another name
      nearest         finds the stored call with the nearest arguments
        argument_diff   compares the arguments of two calls
"""
