"""Turns results and arguments into the bytes of entries, and back.

::

    writer             pickles an entry
      pickler            writes a value as a portable and a fast pickle
        c_pickler          pickles with the C pickler
        dill_pickler       pickles with dill
      tensors            finds tensors that a pickle would detach
      shared_arrays      finds results whose arrays share memory
      large_arguments    stores large arguments once for all calls
    reader             reads an entry, or its inputs only
      unpickler          unpickles a fast or portable pickle
        main_module        finds what the program's own module defines
    signing            holds the signing key
    cache_folder       resolves the folder that a user names
    function_identity  identifies functions by module and qualified name
"""
