"""Versions of a function: why a result of one is not that of another, and when it may be copied all the same.

::

    adopt          results of an earlier version, copied to the present one
      subject        the version that adopts
      translation    arguments of the old version as those of the new one
    unsteady       a definition that is another one in every process
    explanation    why a call is remembered, or is not
      others         the other versions
      renamed        the same code under another name
      nearest        the stored call that is nearest
        arguments      where the arguments of two calls differ
"""
