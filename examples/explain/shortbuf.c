/* Fault 5: a length that goes in and comes out, and a buffer that is too short for the answer. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(void)
{
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "/tmp/a-rather-long-name"};
    bind(s, (struct sockaddr *)&name, sizeof name);

    char buffer[8];
    socklen_t length = sizeof buffer;
    int result = getsockname(s, (struct sockaddr *)buffer, &length);
    printf("%d, length in %zu, length out %u: %.6s\n", result, sizeof buffer, length, buffer + 2);
    return 0;
}
