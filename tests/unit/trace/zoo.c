/* Calls of every family with their usual and unusual arguments, for comparing traces.
   Nothing in here depends on time, process ids or the machine more than it must. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/stat.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <mqueue.h>
#include <netinet/tcp.h>
#include <termios.h>
#include <unistd.h>
#include <utime.h>

#define S(nr, ...) syscall(SYS_##nr, ##__VA_ARGS__)
#define BAD ((void *)0x10)

static char *edge; /* the byte behind it is not mapped */

static void files(void)
{
	char buf[256];
	int fd, two[2];
	struct iovec v[2] = {{buf, 3}, {buf + 3, 100}};
	struct open_file_how { uint64_t flags, mode, resolve; } how = {O_RDONLY | O_CLOEXEC, 0, 4};
	int64_t off = 1, off2 = 0;
	struct statx sx;

	fd = S(openat, AT_FDCWD, "f", O_RDWR | O_CREAT | O_TRUNC, 0640);
	S(write, fd, "hello \"world\"\n\t\1\0012\377\\ and then some more text that is cut", 60);
	S(pwrite64, fd, "abc", 3, 100L);
	S(lseek, fd, -5L, SEEK_END);
	S(lseek, fd, 0L, 9);
	S(read, fd, buf, 256);
	S(pread64, fd, buf, 16, 2L);
	S(preadv, fd, v, 2, 0L, 0L);
	S(preadv2, fd, v, 2, 1L, 0L, 8);
	S(writev, fd, v, 2);
	S(readv, fd, v, 2);
	S(readv, fd, BAD, 2);
	S(pwritev2, fd, v, 1, -1L, 0L, 0);
	S(read, fd, BAD, 5);
	S(write, fd, BAD, 5);
	S(read, -1, buf, 5);
	S(ftruncate, fd, 5000L);
	S(fallocate, fd, 1, 0L, 100L);
	S(fadvise64, fd, 0L, 0L, 2);
	S(readahead, fd, 0L, 100L);
	S(sync_file_range, fd, 0L, 0L, 7);
	S(flock, fd, LOCK_EX | LOCK_NB);
	S(flock, fd, LOCK_UN);
	S(fsync, fd);
	S(dup, fd);
	S(dup2, fd, 20);
	S(dup3, fd, 21, O_CLOEXEC);
	S(close, 20);
	S(close, 777);
	S(close_range, 30, 40, 4);
	S(openat, AT_FDCWD, BAD, O_RDONLY);
	S(open, "nothere/x", O_WRONLY | O_CREAT | O_EXCL, 0600);
	S(open, ".", O_TMPFILE | O_RDWR, 0600);
	S(open, ".", O_PATH | O_DIRECTORY | O_NOFOLLOW);
	S(open, "f", 3 | 0x40000000);
	S(creat, "g", 0777);
	S(openat2, AT_FDCWD, "f", &how, 24);
	how.flags |= O_CREAT;
	how.mode = 0600;
	S(openat2, AT_FDCWD, "f", &how, 24);
	S(openat2, AT_FDCWD, "f", &how, 2);
	S(access, "f", R_OK | W_OK);
	S(access, "f", F_OK);
	S(faccessat, AT_FDCWD, "f", X_OK);
	S(faccessat2, AT_FDCWD, "f", 8, AT_EACCESS);
	S(stat, "/dev/null", buf);
	S(lstat, "nothere", buf);
	S(fstat, fd, BAD);
	S(newfstatat, fd, "", buf, AT_EMPTY_PATH);
	S(statx, AT_FDCWD, "/dev/null", 0, STATX_ALL, &sx);
	S(statx, AT_FDCWD, "f", AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW, STATX_MODE | 0x100000, &sx);
	S(statfs, "/proc", buf);
	S(fstatfs, fd, BAD);
	S(getcwd, buf, 256);
	S(getcwd, buf, 1);
	S(mkdir, "d", 0755);
	S(mkdirat, AT_FDCWD, "d/e", 02700);
	S(rmdir, "d/e");
	S(chdir, "nothere");
	S(fchdir, fd);
	S(rename, "g", "h");
	S(renameat, AT_FDCWD, "h", AT_FDCWD, "g");
	S(renameat2, AT_FDCWD, "g", AT_FDCWD, "h", 1);
	S(link, "h", "l");
	S(linkat, AT_FDCWD, "h", AT_FDCWD, "l2", AT_SYMLINK_FOLLOW);
	S(symlink, "h", "s");
	S(symlinkat, "h", AT_FDCWD, "s2");
	S(readlink, "s", buf, 100);
	S(readlink, "f", buf, 100);
	S(readlinkat, AT_FDCWD, "s2", buf, 0);
	S(unlink, "s");
	S(unlinkat, AT_FDCWD, "s2", 0);
	S(unlinkat, AT_FDCWD, "d", AT_REMOVEDIR);
	S(chmod, "f", 04755);
	S(fchmod, fd, 0);
	S(fchmodat, AT_FDCWD, "f", 022);
	S(chown, "f", -1, 0);
	S(lchown, "f", 0, -1);
	S(fchown, fd, 0, 0);
	S(fchownat, AT_FDCWD, "f", 0, 0, AT_SYMLINK_NOFOLLOW);
	S(umask, 077);
	S(umask, 0);
	S(umask, 022);
	S(mknod, "fifo", S_IFIFO | 0644, 0);
	S(mknod, "chr", S_IFCHR | 0644, 0x103);
	S(mknodat, AT_FDCWD, "plain", 0600, 0);
	S(mknodat, AT_FDCWD, "odd", 0150600, 0x103);
	S(truncate, "f", 10L);
	{
		struct utimbuf ub = {1000000000, 1000000001};
		struct timeval tv[2] = {{1000000000, 5}, {1000000001, 0}};
		struct timespec ts[2] = {{1000000000, 5}, {0, UTIME_NOW}};
		S(utime, "f", &ub);
		S(utime, "f", NULL);
		S(utimes, "f", tv);
		S(futimesat, AT_FDCWD, "f", tv);
		S(utimensat, AT_FDCWD, "f", ts, 0);
		ts[0].tv_nsec = UTIME_OMIT;
		S(utimensat, AT_FDCWD, "f", ts, AT_SYMLINK_NOFOLLOW);
		S(utimensat, AT_FDCWD, "f", NULL, 0);
		S(utimensat, AT_FDCWD, "f", BAD, 0);
	}
	S(setxattr, "f", "user.k", "value", 5, 1);
	S(fsetxattr, fd, "user.k2", "v", 1, 0);
	S(getxattr, "f", "user.k", buf, 100);
	S(fgetxattr, fd, "user.none", buf, 100);
	S(listxattr, "f", buf, 100);
	S(flistxattr, fd, buf, 0);
	S(removexattr, "f", "user.k");
	S(pipe, two);
	S(pipe2, two, O_CLOEXEC | O_NONBLOCK);
	S(pipe2, BAD, 0);
	S(sendfile, two[1], fd, &off, 5);
	S(sendfile, two[1], fd, NULL, 5);
	S(sendfile, two[1], 999, BAD, 5);
	S(splice, fd, &off2, two[1], NULL, 4, 2);
	S(tee, two[0], two[1], 4, 0);
	S(vmsplice, two[1], v, 1, 4);
	S(copy_file_range, fd, &off2, 21, NULL, 4, 0);
	S(memfd_create, "name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	S(memfd_create, "name", MFD_HUGETLB | (21 << 26));
	S(inotify_init1, IN_NONBLOCK);
	S(inotify_add_watch, 999, ".", IN_CREATE | IN_DELETE | 0x10000);
	S(inotify_rm_watch, 999, 1);
	S(fanotify_init, 4 | 2, O_RDONLY);
	fd = S(open, ".", O_RDONLY | O_DIRECTORY);
	S(getdents64, 999, buf, 256);
	S(mount, "src", "nothere/t", "tmpfs", 1 | 4096, "size=1");
	S(mount, "src", "nothere/t", "tmpfs", 1 | 2, "size=1");
	S(umount2, "nothere/t", 2 | 8);
	S(pivot_root, "nothere/a", "nothere/b");
	S(chroot, "nothere");
	S(swapoff, "nothere");
	S(swapon, "nothere", 0x8005);
	S(acct, "nothere");
	S(name_to_handle_at, AT_FDCWD, "f", BAD, BAD, 0);
	S(sync);
	S(syncfs, fd);
	edge[-1] = 'x';
	S(open, edge - 1, O_RDONLY);
	S(chdir, edge);
	S(write, -1, edge - 1, 1);
	S(write, -1, edge - 1, 2);
}

static void memory(void)
{
	char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char vec[4];
	struct iovec local = {p, 10}, remote = {p + 20, 10};

	S(mmap, 0, 4096, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_HUGETLB | (21 << 26), -1, 0L);
	S(mmap, 0, 4096, 0x107, 0x83, 5, 0x1000L);
	S(mmap, 0, 0, 7, 0, -1, 0L);
	S(mprotect, p, 4096, PROT_READ | PROT_EXEC);
	S(mprotect, p, 4096, PROT_READ | PROT_WRITE | PROT_GROWSDOWN);
	S(pkey_mprotect, p, 4096, 3, -1);
	S(madvise, p, 4096, MADV_DONTNEED);
	S(madvise, p, 4096, 77);
	S(msync, p, 4096, MS_SYNC | MS_INVALIDATE);
	S(mincore, p, 12288, vec);
	S(mincore, p, 4096, BAD);
	S(mlock, p, 4096);
	S(mlock2, p, 4096, 1);
	S(munlock, p, 4096);
	S(mlockall, 8);
	S(munlockall);
	S(mremap, p + 4096, 4096, 8192, 0);
	S(mremap, p, 4096, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, 0x123000);
	S(munmap, 0x123000, 8192);
	S(brk, 0);
	S(remap_file_pages, p, 4096, 0, 0, 0);
	S(pkey_alloc, 0, 1);
	S(pkey_free, 99);
	S(membarrier, 0, 0);
	S(membarrier, 1234, 1);
	S(process_vm_readv, 0, &local, 1, &remote, 1, 0);
	S(process_vm_writev, 0, &local, 1, &remote, 1, 0);
	S(mbind, p, 4096, 1 | 0x8000, NULL, 0, 1);
	S(get_mempolicy, NULL, NULL, 0, NULL, 0);
}

static void handler(int sig) { (void)sig; }

static void signals(void)
{
	sigset_t set, old;
	siginfo_t si;
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_NODEFER};
	stack_t ss = {.ss_sp = malloc(8192), .ss_size = 8192}, oss;
	struct timespec zero = {0, 1000};
	uint64_t all = ~0ULL, most = ~(1ULL << 5), some = 1ULL << 16 | 1ULL << 33 | 1ULL << 31, got = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sa.sa_mask = set;
	sigaction(SIGRTMIN + 1, &sa, NULL);
	sigaction(64, &sa, NULL);
	S(rt_sigaction, 99, NULL, NULL, 8);
	S(rt_sigaction, SIGUSR2, BAD, NULL, 8);
	S(rt_sigaction, SIGUSR2, NULL, &sa, 7);
	S(rt_sigprocmask, SIG_BLOCK, &set, &old, 8);
	S(rt_sigprocmask, SIG_SETMASK, &all, &got, 8);
	S(rt_sigprocmask, SIG_SETMASK, &most, NULL, 8);
	S(rt_sigprocmask, 7, &some, &got, 8);
	S(rt_sigprocmask, SIG_SETMASK, NULL, &got, 8);
	S(rt_sigprocmask, SIG_UNBLOCK, &all, BAD, 8);
	S(rt_sigprocmask, SIG_BLOCK, &set, NULL, 8);
	S(kill, getpid(), SIGUSR1);
	S(rt_sigpending, &got, 8);
	S(rt_sigtimedwait, &set, &si, &zero, 8);
	S(rt_sigtimedwait, &set, &si, &zero, 8);
	S(rt_sigtimedwait, &set, NULL, NULL, 5);
	S(rt_sigprocmask, SIG_UNBLOCK, &set, NULL, 8);
	S(tgkill, getpid(), getpid(), SIGUSR1);
	S(tkill, getpid(), SIGUSR1);
	S(tkill, 0, 0);
	S(kill, 0, 0);
	S(kill, getpid(), 77);
	memset(&si, 0, sizeof si);
	si.si_signo = SIGUSR1;
	si.si_code = SI_QUEUE;
	si.si_value.sival_int = 42;
	S(rt_sigqueueinfo, getpid(), SIGUSR1, &si);
	S(rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &si);
	S(rt_sigqueueinfo, getpid(), SIGUSR1, BAD);
	S(sigaltstack, &ss, &oss);
	S(sigaltstack, NULL, &oss);
	S(signalfd4, -1, &set, 8, SFD_CLOEXEC | SFD_NONBLOCK);
	S(signalfd, -1, &set, 8);
	S(alarm, 0);
}

static void times(void)
{
	struct timespec ts = {0, 1000}, left, bad = {-1, 5};
	struct timeval tv;
	struct timezone tz;
	struct itimerval itv = {{0, 0}, {100, 0}}, oitv;
	struct itimerspec its = {{1, 2}, {1000, 4}}, oits;
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};
	struct timex tx = {0};
	int id, fd;

	S(nanosleep, &ts, &left);
	S(nanosleep, &ts, NULL);
	S(nanosleep, &bad, NULL);
	S(nanosleep, BAD, NULL);
	S(clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, &left);
	S(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL);
	S(clock_getres, CLOCK_MONOTONIC_RAW, &ts);
	S(clock_getres, 99, &ts);
	S(clock_getres, CLOCK_PROCESS_CPUTIME_ID, NULL);
	S(clock_gettime, -6, BAD);
	S(clock_gettime, (~5 << 3) | 2, BAD);
	S(clock_gettime, (~5 << 3) | 3, BAD);
	S(clock_gettime, CLOCK_BOOTTIME, BAD);
	S(clock_settime, 99, &ts);
	S(gettimeofday, BAD, &tz);
	S(settimeofday, BAD, NULL);
	S(time, BAD);
	S(getitimer, ITIMER_VIRTUAL, &oitv);
	S(setitimer, ITIMER_PROF, &itv, &oitv);
	S(setitimer, ITIMER_PROF, &oitv, NULL);
	S(setitimer, 9, NULL, NULL);
	S(timer_create, CLOCK_REALTIME, &ev, &id);
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev.sigev_signo = SIGUSR1;
	ev.sigev_value.sival_int = 7;
	S(timer_create, CLOCK_REALTIME, &ev, BAD);
	ev.sigev_notify = SIGEV_SIGNAL;
	S(timer_create, CLOCK_MONOTONIC, &ev, &id);
	S(timer_create, CLOCK_MONOTONIC, NULL, &id);
	S(timer_settime, id, 0, &its, &oits);
	S(timer_settime, id, TIMER_ABSTIME, BAD, NULL);
	S(timer_gettime, 999, &oits);
	S(timer_getoverrun, id);
	S(timer_delete, id);
	fd = S(timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	S(timerfd_settime, fd, TFD_TIMER_ABSTIME, &its, NULL);
	S(timerfd_gettime, -1, &oits);
	S(adjtimex, BAD);
	S(clock_adjtime, 99, &tx);
	(void)tv;
}

static void waits(void)
{
	struct pollfd p[3] = {{0, POLLIN | POLLPRI, 0}, {-1, POLLIN, 0}, {999, POLLOUT | POLLRDHUP, 0}};
	fd_set in, out;
	struct timeval tv = {0, 1000};
	struct timespec ts = {0, 1000};
	uint64_t mask = 1 << 16;
	struct { void *p; size_t n; } arg = {&mask, 8};
	struct epoll_event ev = {EPOLLIN | EPOLLET | EPOLLONESHOT, {.u64 = 0x123456789ULL}}, evs[4];
	int two[2], ep;

	S(poll, p, 3, 0);
	S(poll, p + 1, 1, 1);
	S(poll, NULL, 0, 1);
	S(poll, BAD, 2, 1);
	S(ppoll, p, 1, &ts, &mask, 8);
	S(ppoll, p + 1, 1, &ts, NULL, 8);
	S(ppoll, p, 1, NULL, NULL, 0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(0, &in);
	FD_SET(5, &in);
	FD_SET(1, &out);
	S(select, 6, &in, &out, NULL, &tv);
	FD_ZERO(&in);
	S(select, 0, NULL, NULL, NULL, &tv);
	S(select, 3, &in, NULL, NULL, &tv);
	S(select, 3, BAD, NULL, NULL, NULL);
	FD_SET(1, &out);
	S(pselect6, 2, NULL, &out, NULL, &ts, &arg);
	S(pselect6, 2, NULL, NULL, NULL, &ts, NULL);
	if (pipe(two))
		return;
	ep = S(epoll_create1, EPOLL_CLOEXEC);
	S(epoll_create, 3);
	S(epoll_ctl, ep, EPOLL_CTL_ADD, two[1], &ev);
	ev.events = EPOLLOUT;
	S(epoll_ctl, ep, EPOLL_CTL_MOD, two[1], &ev);
	S(epoll_wait, ep, evs, 4, 0);
	S(epoll_pwait, ep, evs, 4, 0, NULL, 8);
	S(epoll_pwait, ep, evs, 4, 0, &mask, 8);
	S(epoll_pwait2, ep, evs, 4, &ts, &mask, 8);
	S(epoll_ctl, ep, EPOLL_CTL_DEL, two[1], &ev);
	S(epoll_wait, ep, evs, 4, 1);
	S(epoll_ctl, ep, 9, 1, BAD);
	S(eventfd, 3);
	S(eventfd2, 3, EFD_CLOEXEC | EFD_SEMAPHORE);
}

static void sockets(void)
{
	int two[2], fd, one = 1, len = sizeof one, tcp, got;
	struct sockaddr_un un = {.sun_family = AF_UNIX}, from;
	socklen_t fromlen = sizeof from;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(0), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK};
	char buf[64];
	struct iovec v = {"data", 4}, r = {buf, 64};
	union { char b[CMSG_SPACE(sizeof(int) * 2)]; struct cmsghdr h; } c;
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1}, rm = {.msg_iov = &r, .msg_iovlen = 1};
	struct mmsghdr mm[2] = {{m, 0}, {m, 0}};
	struct linger lin = {1, 5};
	struct timeval tv = {2, 3};
	struct { struct nlmsghdr h; struct rtgenmsg g; } req = {{20, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {AF_UNSPEC}};

	S(socket, AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	S(socket, 99, 77, 5);
	S(socket, AF_PACKET, SOCK_DGRAM, htons(0x800));
	S(socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, two);
	strcpy(un.sun_path, "sock");
	fd = S(socket, AF_UNIX, SOCK_STREAM, 0);
	S(bind, fd, &un, 110);
	S(listen, fd, 5);
	S(accept4, fd, NULL, NULL, 99);
	S(getsockname, fd, &from, &fromlen);
	fromlen = 2;
	S(getsockname, fd, &from, &fromlen);
	S(getpeername, fd, &from, &fromlen);
	un.sun_path[0] = 0;
	strcpy(un.sun_path + 1, "abstract");
	S(connect, fd, &un, 11);
	S(connect, fd, &un, 2);
	S(connect, fd, BAD, 16);
	S(connect, fd, &un, 1);
	S(sendto, two[0], "hello", 5, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
	S(recvfrom, two[1], buf, 64, MSG_PEEK, NULL, NULL);
	fromlen = sizeof from;
	S(recvfrom, two[1], buf, 64, 0, &from, &fromlen);
	S(recvfrom, two[1], buf, 64, MSG_DONTWAIT, &from, &fromlen);
	S(sendmsg, two[0], &m, 0);
	S(recvmsg, two[1], &rm, 0);
	S(recvmsg, two[1], &rm, MSG_DONTWAIT);
	S(recvmsg, two[1], BAD, MSG_DONTWAIT);
	memset(&c, 0, sizeof c);
	m.msg_control = &c;
	m.msg_controllen = sizeof c.b;
	c.h.cmsg_len = CMSG_LEN(sizeof(int) * 2);
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	((int *)CMSG_DATA(&c.h))[0] = 1;
	((int *)CMSG_DATA(&c.h))[1] = 2;
	S(sendmsg, two[0], &m, MSG_NOSIGNAL);
	memset(&c, 0, sizeof c);
	rm.msg_control = &c;
	rm.msg_controllen = sizeof c.b;
	rm.msg_name = &from;
	rm.msg_namelen = sizeof from;
	S(recvmsg, two[1], &rm, MSG_CMSG_CLOEXEC);
	S(sendmmsg, two[0], mm, 2, 0);
	mm[0].msg_hdr.msg_iov = mm[1].msg_hdr.msg_iov = &r;
	S(recvmmsg, two[1], mm, 2, MSG_WAITFORONE, NULL);
	S(shutdown, two[0], SHUT_WR);
	S(shutdown, two[0], 9);
	tcp = S(socket, AF_INET, SOCK_STREAM, IPPROTO_TCP);
	S(setsockopt, tcp, SOL_SOCKET, SO_REUSEADDR, &one, 4);
	S(setsockopt, tcp, SOL_SOCKET, SO_LINGER, &lin, 8);
	S(setsockopt, tcp, SOL_SOCKET, SO_RCVTIMEO, &tv, 16);
	S(setsockopt, tcp, SOL_TCP, TCP_NODELAY, &one, 4);
	S(setsockopt, tcp, SOL_IP, 1, &one, 4);
	S(setsockopt, tcp, SOL_IPV6, 26, &one, 4);
	S(setsockopt, tcp, 77, 7, "abcdefg", 7);
	S(setsockopt, tcp, SOL_SOCKET, SO_KEEPALIVE, BAD, 4);
	S(getsockopt, tcp, SOL_SOCKET, SO_TYPE, &got, &len);
	S(getsockopt, tcp, SOL_SOCKET, SO_ERROR, &got, &len);
	S(getsockopt, tcp, SOL_SOCKET, SO_PEERCRED, buf, &(int){12});
	S(getsockopt, tcp, SOL_SOCKET, SO_LINGER, buf, &(int){64});
	S(getsockopt, tcp, SOL_SOCKET, 999, buf, &(int){64});
	S(getsockopt, tcp, SOL_SOCKET, SO_RCVBUF, BAD, &len);
	S(getsockopt, tcp, SOL_TCP, TCP_CONGESTION, buf, &(int){64});
	S(bind, tcp, &in, 16);
	S(connect, tcp, &in6, 28);
	S(bind, tcp, &in, 8);
	S(socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	S(bind, tcp, &nl, 12);
	(void)req;
}

static void processes(void)
{
	char buf[256];
	struct rlimit rl = {1024, RLIM_INFINITY};
	struct rusage ru;
	cpu_set_t cpus;
	int status, ids[3], p;
	siginfo_t si;
	gid_t groups[4];
	struct __user_cap_header_struct hdr = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	struct sched_param sp = {0};

	S(getpid); S(gettid); S(getppid); S(getpgrp); S(getpgid, 0); S(getsid, 0);
	S(getuid); S(geteuid); S(getgid); S(getegid);
	S(setuid, -1);
	S(setpgid, 99999999, 1);
	S(setreuid, -1, -1);
	S(setresuid, -1, -1, -1);
	S(getresuid, &ids[0], &ids[1], &ids[2]);
	S(getresgid, BAD, &ids[1], &ids[2]);
	S(getgroups, 0, NULL);
	S(getgroups, 4, groups);
	S(setgroups, 999999, groups);
	S(getpriority, PRIO_PROCESS, 0);
	S(setpriority, 9, 0, 5);
	S(getrlimit, RLIMIT_CORE, &rl);
	S(setrlimit, 99, &rl);
	S(prlimit64, 0, RLIMIT_NOFILE, NULL, &rl);
	S(prlimit64, 0, RLIMIT_STACK, &rl, BAD);
	S(getrusage, 77, &ru);
	S(sched_yield);
	S(sched_getscheduler, 0);
	S(sched_setscheduler, 0, SCHED_BATCH | 0x40000000, &sp);
	S(sched_getparam, 0, &sp);
	S(sched_get_priority_max, SCHED_FIFO);
	S(sched_get_priority_min, 77);
	S(sched_rr_get_interval, 0, BAD);
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	CPU_SET(1, &cpus);
	S(sched_getaffinity, 0, 128, &cpus);
	S(sched_setaffinity, 0, 16, &cpus);
	S(sched_getaffinity, 0, 1, &cpus);
	S(getcpu, BAD, NULL, NULL);
	S(set_tid_address, 0);
	S(personality, 0xffffffff);
	S(kcmp, getpid(), getpid(), 1, 1, 2);
	S(ioprio_get, 1, 0);
	S(capget, &hdr, NULL);
	S(capget, &hdr, data);
	hdr.version = 5;
	S(capget, &hdr, data);
	S(prctl, PR_SET_NAME, "zoo");
	S(prctl, PR_GET_NAME, buf);
	S(prctl, PR_SET_PDEATHSIG, SIGTERM);
	S(prctl, PR_GET_PDEATHSIG, &status);
	S(prctl, PR_GET_DUMPABLE);
	S(prctl, PR_SET_DUMPABLE, 1);
	S(prctl, PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0);
	S(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	S(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	S(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	S(prctl, PR_GET_CHILD_SUBREAPER, &status);
	S(prctl, PR_GET_SECUREBITS);
	S(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0);
	S(prctl, PR_SET_TIMERSLACK, 1000);
	S(prctl, PR_GET_TIMERSLACK);
	S(prctl, PR_GET_KEEPCAPS);
	S(prctl, PR_SET_VMA, 0, 0x1000, 4096, "name");
	S(prctl, PR_GET_TSC, &status);
	S(prctl, 12345, 1, 2, 3, 4);
	S(prctl, PR_GET_SECCOMP);
	S(arch_prctl, 0x1002, 0xffffffffffffffffUL);
	S(arch_prctl, 0x1003, buf);
	S(arch_prctl, 0x9999, 1);
	S(unshare, 0);
	S(setns, -1, CLONE_NEWNET);
	S(getrandom, BAD, 5, 1);
	S(syslog, 99, NULL, 0);
	S(sethostname, BAD, 3);
	S(reboot, 1, 2, 3, NULL);
	S(futex, &status, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
	S(futex, &status, FUTEX_WAIT, 12345, NULL);
	S(futex, &status, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 12345, NULL, NULL, -1);
	S(futex, &status, FUTEX_WAKE_BITSET, 1, NULL, NULL, 5);
	S(futex, &status, FUTEX_CMP_REQUEUE, 1, 2, &ids[0], 3);
	S(futex, &status, FUTEX_REQUEUE, 1, 2, &ids[0]);
	S(futex, &status, FUTEX_WAKE_OP_PRIVATE, 1, 1, &ids[0], 0x04001003);
	S(futex, &status, FUTEX_UNLOCK_PI);
	S(futex, &status, 99, 1, 2, 3, 4);
	S(execve, "nothere", (char *[]){"a", "b c", NULL}, (char *[]){"X=1", NULL});
	S(execve, "nothere", NULL, NULL);
	S(execve, "nothere", BAD, BAD);
	S(execveat, AT_FDCWD, "nothere", (char *[]){NULL}, (char *[]){NULL}, AT_EMPTY_PATH);
	p = fork();
	if (p == 0)
		S(exit_group, 3);
	S(waitid, P_PID, p, &si, WEXITED | WNOWAIT, NULL);
	S(wait4, p, &status, 0, &ru);
	p = fork();
	if (p == 0) {
		S(kill, getpid(), SIGKILL);
	}
	S(wait4, -1, &status, 0, NULL);
	S(wait4, -1, &status, WNOHANG | __WALL, NULL);
	S(waitid, P_ALL, 0, &si, WEXITED, NULL);
	S(pidfd_open, getpid(), 0);
	S(pidfd_send_signal, -1, 0, NULL, 0);
	S(clone3, BAD, 88);
	S(clone3, buf, 3);
	syscall(9999, 1, 2, 3, 4, 5, 6);
	S(seccomp, 2, 0, &(int){0x7ff00000});
	S(ptrace, 0x4200, 1, 0, 0);
}

static void ipcs(void)
{
	int q, s, m;
	struct { long t; char b[16]; } msg = {5, "hello"};
	struct sembuf sb[2] = {{0, 1, IPC_NOWAIT | SEM_UNDO}, {0, -1, 0}};
	struct shmid_ds sd;
	struct mq_attr attr = {0, 4, 32, 0};
	struct timespec zero = {0, 0};
	void *at;

	q = S(msgget, IPC_PRIVATE, IPC_CREAT | 0600);
	S(msgsnd, q, &msg, 5, IPC_NOWAIT);
	S(msgrcv, q, &msg, 16, 0L, MSG_NOERROR);
	S(msgrcv, q, &msg, 16, 0L, IPC_NOWAIT);
	S(msgctl, q, IPC_RMID, NULL);
	S(msgget, 0x1234, 0);
	s = S(semget, IPC_PRIVATE, 1, 0600);
	S(semop, s, sb, 2);
	S(semtimedop, s, sb + 1, 1, &zero);
	S(semctl, s, 0, SETVAL, 5);
	S(semctl, s, 0, GETVAL, 0);
	S(semctl, s, 0, IPC_RMID, 0);
	m = S(shmget, IPC_PRIVATE, 4096, IPC_CREAT | IPC_EXCL | 0600);
	at = (void *)S(shmat, m, NULL, SHM_RDONLY);
	S(shmctl, m, IPC_STAT, BAD);
	S(shmctl, m, IPC_RMID, NULL);
	S(shmdt, at);
	S(mq_open, "zooqueue", O_RDWR | O_CREAT, 0600, &attr);
	S(mq_unlink, "zooqueue");
	S(mq_open, "none", O_RDONLY);
	S(mq_timedsend, -1, "x", 1, 3, &zero);
	S(mq_getsetattr, -1, &attr, NULL);
	(void)sd;
}

int main(void)
{
	edge = (char *)mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
	munmap(edge, 4096);
	files();
	memory();
	signals();
	times();
	waits();
	sockets();
	processes();
	ipcs();
	return 7;
}
