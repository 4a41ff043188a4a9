"""Entries: results and arguments as bytes, stored results as data, and what lies in a cache folder.

::

    pickling         the bytes of an entry
      pickles          a value as one pickle or two
        plain            what the C pickler writes
        dill             what dill writes
        mains            classes and functions of the main program by name
      sharing          results whose arrays share memory
      frozen           arguments as they were before the call
      large_arguments  what is stored once for all calls that have it
      secret           what entries are signed with
    reading          one entry from the store
    stats            what hits have saved
    results          the results of a function as dicts and as tables
      where            which of them
      table            what the columns are
      frames           as those of pandas, polars and Parquet
      shown            as text and HTML
    cache            a folder whose functions are not at hand
      root             the folder that a user names
      named            functions by the names that people write
      function, version, entry
      identity         module and qualified name of a function
      files            how they lie there, and are deleted
"""
