"""Definitions: what functions and classes consist of. The extension walks the pieces and hashes them.

::

    describe             finds which kind of code a thing is
      functions            functions of the user     classes    classes
      wrappers             third-party wrappers      callables  methods, partials, functions in C
        source               the syntax tree of the running code
          source_cache         the texts of files, as they were
          parse                the functions that a text compiles to
          normalize            the tree as a value that is equal on every Python
          scopes               the names that it takes from outside
          bytecode             byte code, where there is no source
        references           what these names stand for in the running program
          local_imports        modules that a function imports itself
          lazy_imports         imports of Python 3.15 that are not resolved yet
          descriptors          properties and the like
          namespaces           objects of which only what is read counts
          context_values       variables of a context or thread
          project_paths        files of the project
          third_party_attributes  attributes of third-party modules
          third_party_classes  what the user set on third-party classes
          third_party_bodies   what a third-party module or class says in its byte code
        function_attributes  attributes that were set on functions
        annotations          annotations and docstrings as values
          read_parts           which of these the code reads
        sentinels            objects that are nothing but their identity
        unordered            what third-party code made of sets
      third_party          what counts by its qualified name
      user_code            tells user code from third-party code
    node                 what a piece consists of
    depends_on           what `depends_on=` adds
    definition_tree      `explain_definition`
    definition_file      `definition.json`
      secrets              what must not be written there
      definition_diff      what changed between two definitions
"""
