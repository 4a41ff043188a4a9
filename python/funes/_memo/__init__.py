"""Calls: the decorator, and what happens at a call that the extension does not answer itself.

::

    memorious      the decorator
      options        what it can be told
      lazy_imports   resolved before a definition is described
      forking        a process that forks while another thread imports
      memo           what it makes
        bound          the same as a method
        travel         the same in another process
          by_value       its code, pickled
        reloading      the same when `%autoreload` loads its module again
        miss           a call whose result is not in memory, if anything about it is unusual
          once           one computes, the others wait
            standstill     for how long
          run            the function runs
          description    what is recorded of it
          log            a line for it
        explain        why a call is a miss, or is none
"""
