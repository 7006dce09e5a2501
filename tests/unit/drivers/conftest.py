"""A world with the default view, for devices."""

from tests.unit.views.conftest import guest, kitchen, make

__all__ = ["guest", "kitchen", "make"]
