"""Make code that cannot be edited score keypoints with our `COCOeval` in place of pycocotools'.

Only the constructor of pycocotools' class is replaced, in the class itself: modules that imported
the class before, and subclasses of it, are served as well. An object that is made for keypoints
becomes one of a class that is both ours and theirs, and stays so when the patch is undone; objects
for boxes and masks, and those made before, are left as they are. Our class is imported when the
first object for keypoints is made, so that a patch costs next to nothing where there is none.
"""

import functools
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import Any, Self

from smallpose.core.errors import InputError
from smallpose.system.packages import MissingPackageError

_WHERE = "smallpose.patch_pycocotools"
_MODULE = "pycocotools.cocoeval"
_lock = Lock()
_active: set["PycocotoolsPatch"] = set()
_replaced_init: dict[type, Callable[..., None]] = {}


class PycocotoolsPatch:
    """A patch of pycocotools that is on until `undo`, or until the end of its `with` block.

    Patches may overlap: pycocotools is as before once the last of them is undone.
    """

    def __init__(self) -> None:
        self._scorer = _find_scorer()
        with _lock:
            if not _active:
                original = self._scorer.__init__
                _replaced_init[self._scorer] = original
                self._scorer.__init__ = _make_init(original)
            _active.add(self)

    @property
    def is_active(self) -> bool:
        """Return whether this patch has not been undone."""
        return self in _active

    def undo(self) -> None:
        """Give pycocotools its constructor back; the second call does nothing."""
        with _lock:
            if self not in _active:
                return
            _active.remove(self)
            if not _active:
                self._scorer.__init__ = _replaced_init.pop(self._scorer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.undo()


def patch_pycocotools() -> PycocotoolsPatch:
    """Score keypoints with `smallpose.COCOeval` wherever pycocotools' `COCOeval` is called.

    From now on, or within a `with` block; `undo()` of what is returned ends it.

    Raises: ImportError in one line where pycocotools is missing; InputError where another package
        has taken its place.
    """
    return PycocotoolsPatch()


def _find_scorer() -> Any:
    try:
        from pycocotools import cocoeval
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "pycocotools":
            raise
        raise MissingPackageError(
            _WHERE, "pycocotools is not installed", "pip install pycocotools"
        ) from None
    scorer = cocoeval.COCOeval
    if scorer.__module__ != _MODULE:
        raise InputError(
            _WHERE,
            f"pycocotools.cocoeval.COCOeval is a class of {scorer.__module__}",
            "call patch_pycocotools() without the other replacement",
        )
    return scorer


def _make_init(original: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that hands objects for keypoints over to our class."""

    @functools.wraps(original)
    def initialize(
        self: Any, cocoGt: Any = None, cocoDt: Any = None, iouType: Any = "segm"
    ) -> None:
        original(self, cocoGt, cocoDt, iouType)
        if iouType == "keypoints":
            _take_over(self)

    return initialize


def _take_over(scorer: Any) -> None:
    """Turn an object that pycocotools has just initialized into one of ours."""
    from smallpose.evaluation.cocoeval import COCOeval
    from smallpose.evaluation.cocoeval_records import ResultList

    for name in ("evalImgs", "ious"):  # properties of our class
        scorer.__dict__.pop(name, None)
    base: Any = type(scorer)
    if not issubclass(base, COCOeval):
        scorer.__class__ = _make_class(base)
    truth, results, params = scorer.cocoGt, scorer.cocoDt, scorer.params
    COCOeval.__init__(scorer)
    scorer.cocoGt = truth
    scorer.cocoDt = ResultList(results) if isinstance(results, list) else results
    scorer.params = params


@functools.cache
def _make_class(base: type) -> type:
    """Make the class of objects that were created as `base`, with our methods before pycocotools'.

    Methods that `base` replaces remain its own, and their `super()` is our class.
    """
    from smallpose.evaluation.cocoeval import COCOeval

    is_subclass = base.__module__ != _MODULE
    parents = [one for one in base.__mro__ if one.__module__ == _MODULE]
    bases = (base, _make_class(parents[0])) if is_subclass else (COCOeval, base)

    def create(cls: type, *arguments: Any, **options: Any) -> Any:
        # `type(scorer)(...)` makes what `base(...)` makes: for boxes, one of pycocotools' own.
        return base(*arguments, **options)

    def reduce(self: Any) -> tuple[Any, ...]:
        return _restore, (base,), self.__dict__

    names = {"__module__": base.__module__, "__qualname__": base.__qualname__}
    return type(base.__name__, bases, names | {"__new__": create, "__reduce__": reduce})


def _restore(base: type) -> Any:
    """Return an empty object for `copy` and `pickle`, which fill it."""
    return object.__new__(_make_class(base))
