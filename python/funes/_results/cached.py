"""`functools.cached_property` as it is from Python 3.12 on: without a lock.

Before, all objects of a class share a lock of the property. A child that is forked while another thread computes the
property would wait for the lock without end.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info >= (3, 12):
    cached_property = functools.cached_property
else:

    class cached_property(functools.cached_property):  # noqa: N801
        """A property that is computed at its first use, and stored in the object."""

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value
