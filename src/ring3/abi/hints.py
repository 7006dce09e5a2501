"""The names of ``typing`` that the kernel needs while it runs, without the cost of ``typing``.

Importing ``typing`` (and ``re`` and ``enum`` with it) takes longer than importing the whole kernel
core. Annotations are never evaluated, except those of system call handlers, for which the
stand-ins here keep what ``syscalls.table`` reads. To a type checker all of them are the originals.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO as IO
    from typing import Annotated as Annotated
    from typing import Any as Any
    from typing import ClassVar as ClassVar
    from typing import Final as Final
    from typing import Generic as Generic
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import Self as Self
    from typing import TypeVar as TypeVar
    from typing import cast as cast
    from typing import overload as overload
else:

    class Subscripted:
        """``Class[argument]`` or ``Annotated[type, *metadata]``, as far as it is looked at."""

        __slots__ = ("__args__", "__metadata__", "__origin__")

        def __init__(self, origin, args, metadata=()):
            self.__origin__ = origin
            self.__args__ = args
            self.__metadata__ = metadata

        def __call__(self, *args, **named):
            return self.__origin__(*args, **named)

        def __mro_entries__(self, bases):
            return (self.__origin__,)  # ``class Table(IdTable[Segment])``

        def __or__(self, other):
            return self

        __ror__ = __or__

    class TypeVar:
        __slots__ = ("__name__",)

        def __init__(self, name, *constraints, **options):
            self.__name__ = name

    class Annotated:
        def __class_getitem__(cls, params):
            return Subscripted(None, params[:1], params[1:])

    class Generic:
        """``Generic[T]`` and ``Base[T]`` are the class itself; ``In[Path]`` keeps its argument."""

        __slots__ = ()

        def __class_getitem__(cls, params):
            first = params[0] if isinstance(params, tuple) else params
            if cls is Generic or isinstance(first, TypeVar):
                return cls
            return Subscripted(cls, params if isinstance(params, tuple) else (params,))

    class Protocol:
        __slots__ = ()

        def __class_getitem__(cls, params):
            return cls

    def cast(wanted, value):
        return value

    def overload(function):
        return function

    Any = ClassVar = Final = IO = NoReturn = Self = None
