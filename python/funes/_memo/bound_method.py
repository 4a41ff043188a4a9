"""A memorious function as an attribute of an instance or a class."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from funes._funes import hooks

if TYPE_CHECKING:
    import inspect
    from collections.abc import Iterable
    from typing import Literal, Protocol

    from funes._memo.key import Key
    from funes._sweeps.progress import Show
    from funes._sweeps.sweep import Sweep
    from funes._tools.explain.explanation import Explanation

    class _Memo(Protocol):
        """The methods of a memorious function that a bound method calls."""

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
        def key(self, /, *args: Any, **kwargs: Any) -> Key: ...
        def is_cached(self, /, *args: Any, **kwargs: Any) -> bool: ...
        def forget(self, /, *args: Any, **kwargs: Any) -> bool: ...
        def refresh(self, /, *args: Any, **kwargs: Any) -> Any: ...
        def explain(self, /, *args: Any, **kwargs: Any) -> Explanation: ...


P = ParamSpec("P")
R = TypeVar("R")


class BoundMemo(functools.partial[R], Generic[P, R]):
    """A memorious method that is bound to an instance, or a memorious classmethod that is bound to a class.

    A bound method is a `functools.partial`, so that no Python code runs between the call and the
    memorious function.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        @overload
        def __call__(self, *args: Any, global_seed: int | None, **kwargs: Any) -> R: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    @property
    def __func__(self) -> _Memo:
        return _memo_of(self)

    @property
    def __self__(self) -> Any:
        return self.args[0]

    def key(self, /, *args: Any, **kwargs: Any) -> Key:
        """Returns the key of a call, as `Memo.key`."""
        return _memo_of(self).key(self.__self__, *args, **kwargs)

    def is_cached(self, /, *args: Any, **kwargs: Any) -> bool:
        """Returns whether a call is cached, as `Memo.is_cached`."""
        return _memo_of(self).is_cached(self.__self__, *args, **kwargs)

    def forget(self, /, *args: Any, **kwargs: Any) -> bool:
        """Deletes the stored result of a call, as `Memo.forget`."""
        return _memo_of(self).forget(self.__self__, *args, **kwargs)

    @overload
    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def refresh(self, /, *args: Any, global_seed: int | None, **kwargs: Any) -> R: ...
    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Replaces the stored result of a call, as `Memo.refresh`."""
        return _memo_of(self).refresh(self.__self__, *args, **kwargs)

    def explain(self, /, *args: Any, **kwargs: Any) -> Explanation:
        """Explains whether a call is cached, as `Memo.explain`."""
        return _memo_of(self).explain(self.__self__, *args, **kwargs)

    def map(
        self,
        *points: Iterable[Any],
        executor: Any = None,
        on_error: Literal["raise", "collect"] = "raise",
        retries: int = 0,
        progress: Show = None,
    ) -> Sweep[R]:
        """Plans many calls of the method, as `Memo.map`."""
        options = {
            "executor": executor,
            "on_error": on_error,
            "retries": retries,
            "progress": progress,
        }
        sweep: Sweep[R] = hooks().make_map()(self.__func__, self.args[:1], points, **options)
        return sweep

    def starmap(
        self,
        points: Iterable[Any],
        *,
        executor: Any = None,
        on_error: Literal["raise", "collect"] = "raise",
        retries: int = 0,
        progress: Show = None,
    ) -> Sweep[R]:
        """Plans many calls of the method, as `Memo.starmap`."""
        options = {
            "executor": executor,
            "on_error": on_error,
            "retries": retries,
            "progress": progress,
        }
        sweep: Sweep[R] = hooks().make_starmap()(self.__func__, self.args[:1], points, **options)
        return sweep

    @property
    def __signature__(self) -> inspect.Signature:
        import inspect

        signature = inspect.signature(self.__func__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    @property
    def __doc__(self) -> Any:  # type: ignore[override]
        return self.__func__.__doc__

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func__, name)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, BoundMemo)
            and self.__func__ is other.__func__
            and self.__self__ is other.__self__
        )

    def __hash__(self) -> int:
        return hash((self.__func__, id(self.__self__)))

    def __get__(self, instance: object, owner: type | None = None) -> BoundMemo[P, R]:
        # A bound method stays bound wherever it is stored. `help` recognizes a method by
        # ``__get__``.
        return self

    def __copy__(self) -> BoundMemo[P, R]:
        return BoundMemo(self.__func__, self.__self__)

    def __deepcopy__(self, memo: dict[int, Any]) -> BoundMemo[P, R]:
        import copy

        return BoundMemo(self.__func__, copy.deepcopy(self.__self__, memo))

    def __reduce__(self) -> Any:
        # A bound method is pickled by its parts, not by its name on the instance, because the
        # function carries its cache folder.
        return BoundMemo, (self.__func__, self.__self__)

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r} of {self.__self__!r}>"

    def _repr_html_(self) -> str:
        from funes._memo.as_html import as_html

        return as_html(_memo_of(self))


def _memo_of(bound: BoundMemo[..., Any]) -> _Memo:
    return cast("_Memo", bound.func)


class MemoClassMethod(classmethod):  # type: ignore[type-arg]
    """A classmethod whose bound form has `key` and the other methods of a memorious function."""

    #: Marks a wrapper that adds nothing to the definition of the wrapped function.
    IS_OF_FUNES = True

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return BoundMemo(self.__func__, type(instance) if owner is None else owner)

    def __reduce__(self) -> Any:
        return MemoClassMethod, (self.__func__,)
