"""Base class of values with secrets or long content, which `repr` must not show."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct


class RedactedStruct(Struct, frozen=True):
    """A value whose `repr` omits the fields in `hidden`. A name in `hidden` that is not a field is a `TypeError`."""

    hidden: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        fields = {name for kind in cls.__mro__ for name in getattr(kind, "__annotations__", ())}
        if unknown := set(cls.hidden) - fields:
            raise TypeError(f"{cls.__name__} has no fields {sorted(unknown)} to hide")

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The fields that `repr` shows. The library rich uses this method too; a `Struct`'s own shows all fields."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self.hidden]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"
