"""The command line: ``funes`` and ``python -m funes``.

::

    main               starts, and reports missing libraries
      commands           lists the commands; each is loaded when it is used
        options            defines shared options: --cache, --json, --yes
        resolve            parses functions, versions and arguments
        import_function    imports functions given as MODULE:FUNCTION
        units              formats and parses sizes, times and dates
        output             prints tables, lines, JSON and progress bars
        exit_codes         defines the exit codes

Each command is a click command called ``command`` in the file of its name; `commands.NAMES` lists them.
"""
