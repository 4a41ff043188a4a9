"""Copies the results of an older version to the current one.

::

    adopt          finds the source version, checks it, copies its entries
      subject        describes the version that gets the entries
      translation    translates old arguments to the new parameters
      result         reports the outcome
"""
