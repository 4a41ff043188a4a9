"""Describes functions and classes for the definition hash. The extension walks the parts and hashes them.

::

    describe             dispatches on the kind of code
      functions            user functions            classes    classes
      wrappers             third-party wrappers      callables  methods, partials, C functions
        source               finds the syntax tree of the running code
          source_cache         keeps the source of files as it was at import
          parse                maps source functions to the code objects that they compile to
          normalize            normalizes the tree, so that it is equal on every Python version
          scopes               finds the free names of a function
          bytecode             compares code objects; replaces the tree where there is no source
        references           resolves the free names in the running program
          local_imports        imports in the body of a function
          lazy_imports         unresolved lazy imports of Python 3.15
          descriptors          properties and similar descriptors
          namespaces           objects of which only the attributes that are read count
          context_values       context variables and thread-local values
          project_paths        paths inside the project
          third_party_attributes  attributes of library modules
          third_party_classes  attributes that the user set on library classes
          third_party_bodies   names that a library module or class binds, read from its byte code
        function_attributes  attributes that were set on functions
        annotations          annotations and docstrings as values
          read_parts           finds the annotations and docstrings that the code reads
        sentinels            bare `object()` values, which count by name
        unordered            values that a library made from sets
      third_party          qualified names of library code
      user_code            separates user code from library code
    node                 `Description`, one node of the definition graph
    depends_on           values, files and versions of `depends_on=`
    definition_tree      `explain_definition`
    definition_file      reads and writes `definition.json`
      secrets              removes secrets from source code
      definition_diff      compares two definitions

In this package, *library* means third-party code or the standard library, see `user_code`. A value
or a piece of code *counts* if the definition hash depends on it.
"""
