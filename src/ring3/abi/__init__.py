"""Facts of the Linux ABI: errno, constants, struct layouts, call tables. Imports nothing of ring3."""
