"""The Python code of a call. The extension decides what happens, see rust/py/src/call/machine.rs.

::

    leaves               what a call needs of Python code
      single_flight        waits for another call that computes the key
        liveness             detects a holder that makes no progress
      argument_snapshot    the arguments before the run
      log                  a line for each miss
      unstable_definition  warns of a definition that differs in each process
    coroutine            makes the same calls for a coroutine function
    seeding              runs a function with seeded generators
      generators           the global random generators: seed, save, restore
      generator_lock       lets one seeded run at a time own the generators
"""
