"""Memorious functions: the decorator and the object that it makes.

::

    decorator          `memorious`
      options            its options, checked
    memo               the object; the extension has its call
      key                the cache key of a call
      bound_method       the object as a method of an instance or class
      autoreload         the object after `%autoreload` loaded its module again
      definition_record  what `definition.json` records of it
      remote             the object in another process
        code_by_value      its code, pickled
      fork               lets a process fork while another thread imports
"""
