"""Stored results as data, and what is in a cache folder.

::

    load           `load_cached_results`
      results        results as dicts and as tables
        filters        `where=`
        columns        the columns of a table
        dataframes     tables of pandas and polars, Parquet files
        preview        a few results as text and HTML
    cache          `open_cache`
      stored         functions, their versions, their entries
      stored_files   their files: checked, deleted
      find_function  functions by the names that people type
    usage          `stats.json`: what hits have saved
"""
