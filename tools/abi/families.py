"""Which constants go into which module of `ring3.abi`; the lists stand in families.ini."""

from __future__ import annotations

import configparser
from pathlib import Path


class Family:
    """One constant module to generate."""

    def __init__(self, module: str, doc: str, uapi: str, libc: str, names: str) -> None:
        self.module = module
        self.doc = doc.replace("\n", " ")
        self.uapi = uapi.split()
        self.libc = libc.split()
        self.names = "|".join(names.split())


def read_families() -> list[Family]:
    """Families in the order of the file."""
    config = configparser.RawConfigParser()
    config.read_string(Path(__file__).with_name("families.ini").read_text())
    return [
        Family(name, part["doc"], part.get("uapi", ""), part.get("libc", ""), part["names"])
        for name, part in config.items()
        if name != config.default_section
    ]


FAMILIES = read_families()
