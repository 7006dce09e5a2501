/* The call that every first program makes. */
#include <stdio.h>

int main(void)
{
    puts("hello");
    return 0;
}
