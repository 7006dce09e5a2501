/* Types that UAPI headers take for granted because libc programs include them first. */
typedef __SIZE_TYPE__ size_t;
#include <linux/types.h>
#include <linux/time.h>
#include <linux/socket.h>
typedef __kernel_old_time_t time_t;
typedef __kernel_sa_family_t sa_family_t;
struct sockaddr { sa_family_t sa_family; char sa_data[14]; };
