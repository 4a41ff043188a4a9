"""The command line: ``funes`` and ``python -m funes``.

::

    main               starts, and reports missing libraries
      commands           lists the commands; each is loaded when it is used
        options            defines shared options: --cache, --json, --yes
        resolve            parses functions, versions and arguments
        completion         completes names and hashes in shells
        import_function    imports functions given as MODULE:FUNCTION
        units              parses sizes and ages
        output             prints tables, lines, JSON and progress bars
        exit_codes         defines the exit codes

Each command is a click command called ``command`` in the file of its name; `commands.NAMES` lists them.
"""
