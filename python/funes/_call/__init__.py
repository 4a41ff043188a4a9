"""Calls that the extension does not finish alone.

::

    miss                 a call whose result is not in memory
      single_flight        one call computes a key, the other calls wait
        liveness             detects a holder that makes no progress
      run                  runs the undecorated function
      argument_snapshot    the arguments before the run
      log                  a line for each miss
      unstable_definition  warns of a definition that differs in each process
    seeding              runs a function with seeded generators
      generators           the global random generators: seed, save, restore
      generator_lock       lets one seeded run at a time own the generators
      random_draws         detects draws without a seed
"""
