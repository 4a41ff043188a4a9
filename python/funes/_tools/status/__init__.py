"""Shows what an edit would recompute, without running a memorious function.

::

    status         compares each function's definition with the stored ones
      functions      imports modules, and finds the memorious functions in them
      checkout       describes the functions of another git revision
        __main__       does so in a process of its own
"""
