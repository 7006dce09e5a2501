"""Which constants go into which module of `ring3.abi`.

One `Family` per module: the UAPI headers and the libc headers to read, and a pattern that a name
must match whole. A name that both define takes the kernel's value (glibc's O_LARGEFILE is 0).
"""

from __future__ import annotations


class Family:
    """One constant module to generate."""

    def __init__(self, module: str, doc: str, uapi: str, libc: str, names: str) -> None:
        self.module = module
        self.doc = doc
        self.uapi = uapi.split()
        self.libc = libc.split()
        self.names = "|".join(names.split())


FAMILIES = (
    Family(
        "fcntl", "Opening files and fcntl(2): flags, commands, *at flags, leases, seals, resolve flags.",
        "linux/fcntl.h linux/openat2.h linux/falloc.h linux/fadvise.h linux/xattr.h linux/fs.h"
        " linux/close_range.h linux/fscrypt.h",
        "fcntl.h unistd.h sys/file.h",
        r"O_\w+ F_\w+ FD_\w+ AT_\w+ SEEK_\w+ RESOLVE_\w+ LOCK_\w+ FALLOC_\w+ RENAME_\w+ XATTR_\w+"
        r" DN_\w+ POSIX_FADV_\w+ RWF_\w+ CLOSE_RANGE_\w+ R_OK W_OK X_OK F_OK OPEN_TREE_\w+"
        r" OPENAT2_\w+ OPEN_HOW_\w+ FS_\w+_FL FS_XFLAG_\w+ PIDFD_SELF\w* FD_\w+ROOT\w* FILE_DEDUPE_\w+"
        r" RWH_\w+ FS_PROJ\w+",
    ),
    Family(
        "stat", "File types, permission bits, statx masks and attributes, directory entry types.",
        "linux/stat.h", "dirent.h",
        r"S_\w+ STATX_\w+ DT_\w+",
    ),
    Family(
        "mman", "mmap(2) and relatives, memfd, memory policy, protection keys.",
        "linux/mman.h linux/memfd.h linux/mempolicy.h linux/userfaultfd.h linux/membarrier.h", "",
        r"PROT_\w+ MAP_\w+ MREMAP_\w+ MADV_\w+ MS_\w+ MCL_\w+ MFD_\w+ MLOCK_\w+ PKEY_\w+ MPOL_\w+"
        r" UFFD_\w+ UFFDIO_\w+ MEMBARRIER_\w+ SHADOW_STACK_\w+ CACHESTAT_\w+ OVERCOMMIT_\w+",
    ),
    Family(
        "signal", "Signals: numbers, sigaction flags, si_code values, signalfd, alternate stacks.",
        "linux/signal.h asm/siginfo.h linux/signalfd.h asm/sigcontext.h asm/ucontext.h", "signal.h",
        r"SIG[A-Z0-9]+ SIG_\w+ SA_\w+ SS_\w+ SI_\w+ ILL_\w+ FPE_\w+ SEGV_\w+ BUS_\w+ TRAP_\w+ CLD_\w+"
        r" POLL_(IN|OUT|MSG|ERR|PRI|HUP) SYS_(SECCOMP|USER_DISPATCH) EMT_\w+ NSIG\w+ SIGEV_\w+"
        r" SFD_\w+ MINSIGSTKSZ SIGSTKSZ UC_\w+ SI\w+_SIZE",
    ),
    Family(
        "sched", "clone(2) flags, scheduling policies and sched_setattr(2) flags.",
        "linux/sched.h linux/sched/types.h linux/rseq.h linux/nsfs.h", "",
        r"CLONE_\w+ SCHED_\w+ RSEQ_\w+ CSIGNAL",
    ),
    Family(
        "wait", "wait4(2) and waitid(2) options and id types.",
        "linux/wait.h", "sys/wait.h",
        r"W[A-Z]+ __W\w+ P_\w+",
    ),
    Family(
        "time", "Clocks, timers, timerfd, interval timers, adjtimex modes and states.",
        "linux/time.h linux/timerfd.h linux/timex.h linux/time_types.h", "",
        r"CLOCK_\w+ TIMER_\w+ TFD_\w+ ITIMER_\w+ ADJ_\w+ MOD_\w+ STA_\w+ TIME_\w+ NTP_\w+ MAX_CLOCKS",
    ),
    Family(
        "futex", "futex(2), futex2 and robust lists.",
        "linux/futex.h", "",
        r"FUTEX\w+ ROBUST_\w+",
    ),
    Family(
        "prctl", "prctl(2) and arch_prctl(2).",
        "linux/prctl.h asm/prctl.h", "",
        r"PR_\w+ ARCH_\w+ PTRACE_\w+",
    ),
    Family(
        "resource", "Resource limits, usage and priorities.",
        "linux/resource.h linux/ioprio.h", "",
        r"RLIM\w+ RUSAGE_\w+ PRIO_\w+ _STK_LIM MLOCK_LIMIT IOPRIO_\w+",
    ),
    Family(
        "socket", "Sockets: families, types, levels, options, message flags, protocols.",
        "linux/in.h linux/in6.h linux/tcp.h linux/udp.h linux/un.h linux/net.h asm/socket.h"
        " linux/netlink.h linux/rtnetlink.h linux/if.h linux/if_addr.h linux/if_link.h"
        " linux/if_packet.h linux/if_ether.h linux/if_arp.h linux/errqueue.h linux/icmp.h"
        " linux/icmpv6.h linux/net_tstamp.h linux/genetlink.h linux/sock_diag.h linux/inet_diag.h"
        " linux/unix_diag.h linux/neighbour.h linux/vm_sockets.h",
        "sys/socket.h netinet/in.h netinet/tcp.h",
        r"AF_\w+ PF_\w+ SOCK_\w+ SOL_\w+ SO_\w+ MSG_\w+ IPPROTO_\w+ IP_\w+ IPV6_\w+ TCP_\w+ TCPF_\w+"
        r" UDP_\w+ SCM_\w+ SHUT_\w+ SOMAXCONN MCAST_\w+ INADDR_\w+ UNIX_PATH_MAX SYS_\w+"
        r" NETLINK_\w+ NLM_F_\w+ NLMSG_\w+ NLA_\w+ RTM_\w+ RTN_\w+ RTPROT_\w+ RT_\w+ RTA_\w+ RTAX_\w+"
        r" RTMGRP_\w+ RTNLGRP_\w+ RTNH_\w+ IFLA_\w+ IFA_\w+ IFF_\w+ IF_OPER_\w+ IFNAMSIZ NDA_\w+ NUD_\w+"
        r" PACKET_\w+ ETH_(ALEN|P_(IP|IPV6|ARP|ALL)|HLEN|DATA_LEN|FRAME_LEN) ARPHRD_(LOOPBACK|ETHER|NONE|VOID)"
        r" SO_EE_\w+ ICMP_\w+ ICMPV6_\w+ SOF_\w+ INET_DIAG_\w+ UNIX_DIAG_\w+ UDIAG_\w+ SOCK_DIAG_\w+"
        r" VMADDR_\w+ SIOC\w+_OLD TCPI_\w+ GENL_\w+",
    ),
    Family(
        "poll", "poll(2), epoll(7), eventfd(2), pidfd_open(2) and pipe limits.",
        "asm/poll.h linux/eventpoll.h linux/eventfd.h linux/pidfd.h", "poll.h",
        r"POLL[A-Z]+ EPOLL\w+ EFD_\w+ PIDFD_\w+",
    ),
    Family(
        "ioctl", "ioctl(2) requests: terminals, files, sockets, consoles, disks, random; termios bits.",
        "asm/ioctls.h asm/termbits.h asm/termios.h linux/tty.h linux/tty_flags.h linux/fs.h"
        " linux/sockios.h linux/vt.h linux/kd.h linux/random.h linux/if_tun.h linux/nsfs.h"
        " linux/pidfd.h linux/fb.h linux/rtc.h linux/fiemap.h linux/loop.h linux/hdreg.h"
        " linux/fsverity.h linux/watchdog.h linux/serial.h linux/msdos_fs.h linux/btrfs.h"
        " linux/input.h linux/uinput.h linux/blkzoned.h linux/fscrypt.h", "",
        r"TIOC\w+ TC[A-Z]+\d? FIO\w+ FI[A-Z]+ I(GNBRK|UTF8|XON|XANY|XOFF|MAXBEL|CRNL|GNCR|NLCR|STRIP"
        r"|NPCK|GNPAR|UCLC|SIG|CANON|EXTEN) BRKINT PARMRK INPCK ISTRIP ECHO\w* NOFLSH TOSTOP FLUSHO"
        r" PENDIN EXTPROC XCASE O(POST|LCUC|NLCR|CRNL|NOCR|NLRET|FILL|FDEL)"
        r" (NL|CR|BS|VT|FF|TAB)(DLY|\d) XTABS CSIZE CS[5678] CSTOPB CREAD PARENB PARODD HUPCL CLOCAL"
        r" CBAUD\w* CIBAUD CMSPAR CRTSCTS ADDRB B\d+ BOTHER IBSHIFT EXT[AB] V[A-Z]+\d? NCCS? NCC"
        r" FS_IOC\w+ FICLONE\w* FIDEDUPERANGE FITRIM FIEMAP_\w+ BLK\w+ SIOC\w+ VT_\w+ KD\w+ K_\w+"
        r" KB_\w+ GIO_\w+ PIO_\w+ RND\w+ TUN\w+ IFF_(TUN|TAP|NO_PI|MULTI_QUEUE|VNET_HDR) NS_\w+"
        r" PIDFD_GET_\w+ FB\w+ RTC_\w+ LOOP_\w+ HDIO_GETGEO N_[A-Z0-9_]+ FAT_IOCTL_\w+ WDIOC_\w+ EVIOC\w+"
        r" UI_\w+ PAGEMAP_\w+ PAGE_IS_\w+ PROCMAP_\w+ PM_SCAN_\w+",
    ),
    Family(
        "inotify", "inotify(7) and fanotify(7).",
        "linux/inotify.h linux/fanotify.h", "",
        r"IN_\w+ FAN_\w+ INOTIFY_\w+ FANOTIFY_\w+",
    ),
    Family(
        "mount", "mount(2) and the newer mount API, umount2 flags, statfs magics, quotas, swap.",
        "linux/mount.h linux/magic.h linux/quota.h", "sys/mount.h sys/statvfs.h sys/swap.h",
        r"MS_\w+ MOUNT_ATTR\w+ MOVE_MOUNT_\w+ FSOPEN_\w+ FSPICK_\w+ FSMOUNT_\w+ FSCONFIG_\w+"
        r" OPEN_TREE_\w+ STATMOUNT_\w+ LISTMOUNT_\w+ LSMT_\w+ MNT_\w+ UMOUNT_\w+ ST_\w+ SWAP_\w+"
        r" \w+_MAGIC\w* \w+_SUPER_MAGIC\w* Q_\w+ MNT_ID_\w+",
    ),
    Family(
        "elf", "ELF: types, machines, segments, sections, notes. Auxiliary vector types are AUX_*,"
        " because AT_* names the *at flags.",
        "linux/elf.h linux/auxvec.h linux/binfmts.h asm/hwcap2.h", "elf.h",
        r"AT_\w+ PT_\w+ ET_\w+ EM_(NONE|386|X86_64|AARCH64|ARM|RISCV) EV_\w+ PF_\w+ EI_\w+ ELFMAG\w*"
        r" SELFMAG ELFCLASS\w+ ELFDATA\w+ ELFOSABI_\w+ SHT_\w+ SHF_\w+ SHN_\w+ NT_\w+ DT_[A-Z0-9_]+"
        r" GNU_PROPERTY_X86_\w+ BINPRM_\w+ MAX_ARG_\w+ HWCAP2_\w+ PN_XNUM STT_\w+ STB_\w+ R_X86_64_\w+"
        r" R_386_\w+",
    ),
    Family(
        "capability", "capabilities(7): numbers, header versions, securebits.",
        "linux/capability.h linux/securebits.h", "",
        r"CAP_\w+ VFS_CAP_\w+ SECBIT_\w+ SECURE_\w+ _LINUX_CAPABILITY_\w+ _KERNEL_CAPABILITY_\w+",
    ),
    Family(
        "misc", "Smaller calls: getrandom, reboot, splice, seccomp, ptrace, keyctl, landlock, bpf,"
        " perf, kcmp, syslog, limits, io_uring, aio, personality, modules.",
        "linux/random.h linux/reboot.h linux/seccomp.h linux/filter.h linux/bpf_common.h"
        " linux/ptrace.h linux/keyctl.h linux/landlock.h linux/kcmp.h linux/limits.h"
        " linux/personality.h linux/module.h linux/kexec.h linux/io_uring.h linux/aio_abi.h"
        " linux/utsname.h linux/lsm.h linux/audit.h linux/acct.h linux/perf_event.h asm/ldt.h"
        " linux/rseq.h linux/mqueue.h asm/processor-flags.h linux/sysinfo.h",
        "fcntl.h sys/klog.h",
        r"GRND_\w+ LINUX_REBOOT_\w+ SPLICE_F_\w+ SECCOMP_\w+ BPF_(LD|LDX|ST|STX|ALU|JMP|RET|MISC|W|H|B"
        r"|IMM|ABS|IND|MEM|LEN|MSH|ADD|SUB|MUL|DIV|OR|AND|LSH|RSH|NEG|MOD|XOR|JA|JEQ|JGT|JGE|JSET|K|X|A"
        r"|TAX|TXA|MAXINSNS) PTRACE_\w+ PTRACE_O_\w+ KEYCTL_\w+ KEY_SPEC_\w+ KEY_REQKEY_\w+ LANDLOCK_\w+"
        r" KCMP_\w+ PATH_MAX NAME_MAX ARG_MAX PIPE_BUF IOV_MAX XATTR_\w+_MAX LINK_MAX MAX_CANON"
        r" MAX_INPUT NGROUPS_MAX NR_OPEN RTSIG_MAX PER_\w+ ADDR_\w+ SHORT_INODE WHOLE_SECONDS"
        r" STICKY_TIMEOUTS MMAP_PAGE_ZERO UNAME26 READ_IMPLIES_EXEC FDPIC_FUNCPTRS MODULE_INIT_\w+"
        r" KEXEC_\w+ IORING_\w+ IOSQE_\w+ IOCB_\w+ __NEW_UTS_LEN LSM_\w+ AUDIT_ARCH_\w+"
        r" PERF_FLAG_\w+ PERF_TYPE_\w+ MODIFY_LDT_\w+ LDT_\w+ MQ_\w+ X86_(EFLAGS|CR0|CR4)_\w+"
        r" ACORE ASU AFORK",
    ),
    Family(
        "ipc", "System V and POSIX message queues, semaphores and shared memory.",
        "linux/ipc.h linux/shm.h linux/sem.h linux/msg.h linux/mqueue.h", "",
        r"IPC\w+ SHM\w+ SEM\w+ MSG_?[A-Z]+ GET(PID|VAL|ALL|NCNT|ZCNT) SET(VAL|ALL) MQ_\w+",
    ),
)
