"""A dictionary that does not keep its values alive (weakref's own costs a millisecond to import
and twice as much per look)."""

from __future__ import annotations

from _weakref import ref

from ring3.abi.hints import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class KeyedRef(ref[V]):
    __slots__ = ("key",)
    key: object


class WeakTable(Generic[K, V]):
    """key -> value, until nobody else holds the value."""

    __slots__ = ("gone", "refs")

    def __init__(self) -> None:
        refs: dict[K, KeyedRef[V]] = {}
        self.refs = refs

        def gone(dead: KeyedRef[V]) -> None:
            key: K = dead.key  # type: ignore[assignment]
            if refs.get(key) is dead:
                del refs[key]

        self.gone = gone

    def get(self, key: K) -> V | None:
        found = self.refs.get(key)
        return None if found is None else found()

    def put(self, key: K, value: V) -> None:
        made = KeyedRef(value, self.gone)
        made.key = key
        self.refs[key] = made

    def __len__(self) -> int:
        return len(self.refs)
