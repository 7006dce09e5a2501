/* Stands for the C library's header that some UAPI headers include; prelude.h has the types. */
