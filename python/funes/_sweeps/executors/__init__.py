"""Engines that compute the tasks of a sweep, one module for each kind.

::

    choose         selects the module by what was passed as `executor=`
    engine           what a sweep needs of an engine
    own_workers      an int: processes of funes
    futures          `concurrent.futures.Executor`: pools, loky, MPI, Dask
    submitit         a submitit executor: Slurm
    ray              the module `ray`
"""
