"""The command line: ``funes`` and ``python -m funes``.

::

    main               starts, also where click and rich are missing
      commands           lists the commands; each is loaded at its use
        options            options that commands share: --cache, --json, --yes
        resolve            functions and versions as people type them
        import_function    functions as MODULE:FUNCTION
        units              sizes, times and dates
        output             tables in a terminal, lines in a pipe, JSON
        exit_codes         the exit codes

Each command is a click command called ``command`` in the file of its name; `commands.NAMES` lists them.
"""
