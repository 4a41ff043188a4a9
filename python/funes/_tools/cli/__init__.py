"""The command line: ``funes`` and ``python -m funes``. Nothing of it is imported by the rest of funes.

::

    start          where it begins, whether or not its libraries are installed
      commands       which commands there are; each has a file of its own, loaded when it is asked for
        options        what commands have in common: --cache, --json, --yes
        match          functions and versions as people name them
        code           functions as MODULE:FUNCTION, which are imported
        units          sizes, times and dates as people write and read them
        output         tables in a terminal, lines in a pipe, JSON
        exits          how a command ends

A command is a click command called ``command`` in the file of its name; `commands.NAMES` lists it.
"""
