"""Reads stored results as data, and lists what is in a cache folder.

::

    load           defines `load_cached_results`
      results        yields results as dicts, and makes tables
        filters        selects results by `where=`
        columns        arranges results in columns
        dataframes     makes tables of pandas and polars, and Parquet files
        preview        shows a few results as text and HTML
        report         makes a page of results for a browser
          text           shortens and escapes strings
          markup         escapes texts and formats diffs in HTML
          units          formats sizes, durations and dates
    cache          defines `open_cache`
      stored         lists functions, their versions and their entries
      stored_files   checks and deletes their files
      lookup         finds a function, version or entry by a name
    usage          counts the hits and the time that they saved, in `stats.json`
"""
