"""Versions of a function: why a result of one is not that of another, and when it may be all the same.

::

    adopt          declares an edit harmless
      translation    arguments of the old version as those of the new one
      adoption       the record of it in `definition.json`
        exclusive      one writer at a time
    places         where a call finds the results that were adopted
    explanation    why a call is remembered, or is not
      others         the other versions
      nearest        the stored call that is nearest
        arguments      where the arguments of two calls differ
"""
