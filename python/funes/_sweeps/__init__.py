"""Sweeps: a memorious function at many points, of which only the missing ones are computed, by any engine.

::

    make             makes the sweeps of `f.map` and `f.starmap`
      grid             `grid`: every combination of the values of some parameters
      points           the points as they were given, and as arguments
        ignored          arguments that are no part of the key
        arguments        keeps arguments as they were when a point was taken
      sweep            `Sweep`: the plan, and the results
        plan             keys of the points, and which of them are stored
        serial           computes in this process
        dispatch         sends tasks to an engine and collects the answers
          executors        the engines, one module for each kind
        computed         results that were computed and not yet given
        outcome          `Outcome`, `Status`
        progress         bars, lines, functions of the user
        interrupt        Ctrl-C and SIGTERM
        tables           pandas and xarray
        duration         formats an estimate
    worker           runs a task in a worker of any engine
      task             tasks and answers as bytes
      worker_process   the main function of own workers
"""
