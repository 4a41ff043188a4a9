"""Versions of a function: why a result of one is not that of another, and when it may be all the same.

::

    adopt          an edit that is declared harmless
      subject        the version that adopts
      translation    arguments of the old version as those of the new one
      moving         results of the old version as the new one has them
      declare        the record is written
        exclusive      one writer at a time
    adoption       the record in `definition.json`
    places         where a call finds the results that were adopted
    explanation    why a call is remembered, or is not
      others         the other versions
      nearest        the stored call that is nearest
        arguments      where the arguments of two calls differ
"""
