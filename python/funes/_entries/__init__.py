"""Entries: results and arguments as bytes.

::

    codec              the bytes of an entry
      pickler            a value as one pickle or two
        c_pickler          what the C pickler writes
        dill_pickler       what dill writes
        main_module        names of what the program's own module defines
      shared_arrays      results whose arrays share memory
      large_arguments    arguments that are stored once for all calls
    reader             reads an entry, or its inputs only
    signing            the key that signs entries
    cache_folder       the folder that a user names
    function_identity  module and qualified name of a function
"""
