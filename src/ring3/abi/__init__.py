"""Facts of the Linux ABI: errno, constants, struct layouts, call tables; imports nothing."""
