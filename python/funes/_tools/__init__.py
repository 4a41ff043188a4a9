"""Tools that look at a cache from outside. Nothing else imports them; `funes._hooks` names their entry points.

::

    explain    why a call is a hit or a miss
    adopt      copies the results of an older version
    status     shows what an edit would recompute
    cli        the command line
"""
