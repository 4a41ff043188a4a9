"""Computes stored calls again, and compares the results with the stored ones.

::

    check          chooses calls, computes them again and compares within a time budget
      choose         orders calls so that they differ in many arguments
      bind           makes a call of stored arguments
      compare        finds the difference of two results
      comparison     holds the outcome, and formats it
      evidence       records that all results were equal, for `adopt`
"""
