"""Copies the results of an older version to the current one.

::

    adopt          finds the version, checks it, copies its entries
      subject        the version that gets the entries
      translation    old arguments as arguments of the new version
      result         the outcome
"""
