"""Definitions: what functions and classes consist of, told piece by piece to the extension, which hashes.

::

    definition     which kind of thing it is
      functions      a function of the user's      classes    a class
      wrappers       a library's function          callables  methods, partials, functions in C
        source         the tree of the running code
          texts          the files' texts, as they were
          written        the functions that a text compiles to
          tree           what they say
          names          what they take from outside
          code           byte code, where there is no source
        links          what the names lead to in the running program
          imports        modules that a function imports itself
          descriptors    properties and the like
          namespaces     objects of which only what is read counts
          current        variables of a context or thread
          paths          files of the project
          library_attributes  what a library's modules hold
        attributes     what was set on functions
        annotations    annotations and docstrings as values
        unordered      what libraries made of sets
        sentinels      objects that are nothing but their identity
          reading      what code reads of other code
      library        what counts by its name
        origin         what is the user's own
    description    what is told
    depends        what the user adds: `depends_on=`
    graph          definitions for people, as a tree: `explain_definition`
    recorded       definitions on disk: `definition.json`
      secrets        what must not stand there
      difference     what changed from one to another
"""
