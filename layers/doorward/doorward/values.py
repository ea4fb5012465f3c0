"""Frozen values with named fields: what `typing.NamedTuple` makes, at an eighth of the cost.

There are some seventy classes of values, and making them is part of every cold start. `typing.NamedTuple` compiles a constructor for each
class and looks at each annotation. Here the constructor is one of those below with the names of the fields put in, and the annotations are
mypy's business, which sees the NamedTuple that this stands for.
"""

from collections import namedtuple
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 - what others import from here
else:
    _new = tuple.__new__
    # By the number of fields.
    _CONSTRUCTORS = (
        lambda cls: _new(cls, ()),
        lambda cls, a: _new(cls, (a,)),
        lambda cls, a, b: _new(cls, (a, b)),
        lambda cls, a, b, c: _new(cls, (a, b, c)),
        lambda cls, a, b, c, d: _new(cls, (a, b, c, d)),
        lambda cls, a, b, c, d, e: _new(cls, (a, b, c, d, e)),
        lambda cls, a, b, c, d, e, f: _new(cls, (a, b, c, d, e, f)),
        lambda cls, a, b, c, d, e, f, g: _new(cls, (a, b, c, d, e, f, g)),
        lambda cls, a, b, c, d, e, f, g, h: _new(cls, (a, b, c, d, e, f, g, h)),
        lambda cls, a, b, c, d, e, f, g, h, i: _new(cls, (a, b, c, d, e, f, g, h, i)),
        lambda cls, a, b, c, d, e, f, g, h, i, j: _new(cls, (a, b, c, d, e, f, g, h, i, j)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k: _new(cls, (a, b, c, d, e, f, g, h, i, j, k)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m: _new(cls, (a, b, c, d, e, f, g, h, i, j, k, m)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m, n: _new(cls, (a, b, c, d, e, f, g, h, i, j, k, m, n)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o: _new(cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p: _new(cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q: _new(cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r: _new(cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s: _new(cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t: _new(
            cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t)
        ),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u: _new(
            cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u)
        ),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u, v: _new(
            cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u, v)
        ),
    )
    # What reads the field at a place is the same in every class.
    _Numbered = namedtuple("_Numbered", [f"field_{place}" for place in range(len(_CONSTRUCTORS))])  # noqa: PYI024 - no types to tell
    _READERS = tuple(map(vars(_Numbered).get, _Numbered._fields))

    class _Making(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            fields = tuple(body.get("__annotations__", ()))
            written = _CONSTRUCTORS[len(fields)].__code__
            code = written.replace(co_varnames=("cls", *fields), co_name="__new__", co_qualname=f"{name}.__new__")
            body["__new__"] = FunctionType(code, globals(), "__new__", tuple([body[each] for each in fields if each in body]))
            body.update(zip(fields, _READERS, strict=False))
            body["__slots__"] = ()
            body["_fields"] = body["__match_args__"] = fields
            return type.__new__(cls, name, bases, body)

    class NamedTuple(tuple, metaclass=_Making):
        __slots__ = ()

        _make = classmethod(_new)

        def _replace(self, /, **changes: Any) -> Any:
            values = [*map(changes.pop, self._fields, self)]
            if changes:
                raise TypeError(f"{type(self).__name__} has no field {', '.join(changes)}")
            return _new(type(self), values)

        __replace__ = _replace

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join([f'{name}={value!r}' for name, value in self._asdict().items()])})"
