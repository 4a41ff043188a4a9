"""Memorious functions: the decorator and the object that it makes.

::

    decorator          `memorious`
      options            its options, checked
    memo               the object; the extension implements its call
      key                the cache key of a call
      bound_method       the object as a method of an instance or class
      autoreload         the object after `%autoreload` loaded its module again
      definition_record  the content of its `definition.json`
      sending            pickles the object for another process
      receiving          unpickles the object in the other process
        payload            the data that is pickled
        code_by_value      pickles the code of the function
        source_texts       packs the source text of this code
      fork               lets a process fork while another thread imports
"""
