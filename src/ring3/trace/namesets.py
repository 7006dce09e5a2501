"""Named constants that calls take, as sets: which names, in the order strace prints them.

Numbers stand in ``abi`` alone. An entry is (module of abi, prefix, words): each word is a name
without the prefix, or a whole name after ``=``; ``*`` stands for every name of the module that
has the prefix, and ``-NAME`` takes one out again; ``=A@B`` prints the value of B as A. What is
unknown prints as ``PREFIX???``.
"""

from __future__ import annotations

SETS: dict[str, tuple[str, str, str]] = {
    # files
    "open_access": ("fcntl", "O_", "RDONLY WRONLY RDWR ACCMODE"),
    "open": (
        "fcntl",
        "O_",
        "CREAT EXCL NOCTTY TRUNC APPEND NONBLOCK SYNC DSYNC DIRECT LARGEFILE NOFOLLOW"
        " NOATIME CLOEXEC PATH TMPFILE DIRECTORY EMPTYPATH =FASYNC@O_ASYNC",
    ),
    "resolve": (
        "fcntl",
        "RESOLVE_",
        "NO_XDEV NO_MAGICLINKS NO_SYMLINKS BENEATH IN_ROOT CACHED",
    ),
    "access": ("fcntl", "", "R_OK W_OK X_OK F_OK"),
    "at": (
        "fcntl",
        "AT_",
        "SYMLINK_NOFOLLOW REMOVEDIR SYMLINK_FOLLOW NO_AUTOMOUNT EMPTY_PATH RECURSIVE",
    ),
    "at_access": (
        "fcntl",
        "AT_",
        "SYMLINK_NOFOLLOW EACCESS SYMLINK_FOLLOW NO_AUTOMOUNT EMPTY_PATH RECURSIVE",
    ),
    "at_statx_sync": ("fcntl", "AT_STATX_", "SYNC_AS_STAT FORCE_SYNC DONT_SYNC"),
    "at_statx_type": ("fcntl", "AT_STATX_", "SYNC_TYPE"),
    "at_statx": (
        "fcntl",
        "AT_",
        "SYMLINK_NOFOLLOW REMOVEDIR SYMLINK_FOLLOW NO_AUTOMOUNT EMPTY_PATH RECURSIVE",
    ),
    "at_handle": ("fcntl", "AT_", "EMPTY_PATH SYMLINK_FOLLOW HANDLE_FID"),
    "whence": ("fcntl", "SEEK_", "SET CUR END DATA HOLE"),
    "rename": ("fcntl", "RENAME_", "NOREPLACE EXCHANGE WHITEOUT"),
    "fallocate": (
        "fcntl",
        "FALLOC_FL_",
        "KEEP_SIZE PUNCH_HOLE NO_HIDE_STALE COLLAPSE_RANGE ZERO_RANGE INSERT_RANGE UNSHARE_RANGE"
        " WRITE_ZEROES",
    ),
    "fadvise": ("fcntl", "POSIX_FADV_", "NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED NOREUSE"),
    "sync_file_range": ("fcntl", "SYNC_FILE_RANGE_", "WAIT_BEFORE WRITE WAIT_AFTER"),
    "flock": ("fcntl", "LOCK_", "SH EX NB UN MAND RW READ WRITE"),
    "rwf": ("fcntl", "RWF_", "HIPRI DSYNC SYNC NOWAIT APPEND NOAPPEND ATOMIC DONTCACHE NOSIGNAL"),
    "xattr": ("fcntl", "XATTR_", "CREATE REPLACE"),
    "file_type": ("stat", "S_", "IFREG IFSOCK IFIFO IFLNK IFDIR IFBLK IFCHR"),
    "dirent_type": ("stat", "DT_", "UNKNOWN FIFO CHR DIR BLK REG LNK SOCK WHT"),
    "statx_mask": (
        "stat",
        "STATX_",
        "ALL BASIC_STATS TYPE MODE NLINK UID GID ATIME MTIME CTIME INO SIZE BLOCKS BTIME MNT_ID"
        " DIOALIGN MNT_ID_UNIQUE SUBVOL WRITE_ATOMIC DIO_READ_ALIGN",
    ),
    "statx_attr": (
        "stat",
        "STATX_ATTR_",
        "COMPRESSED IMMUTABLE APPEND NODUMP ENCRYPTED AUTOMOUNT MOUNT_ROOT VERITY DAX"
        " WRITE_ATOMIC",
    ),
    "fcntl_cmd": (
        "fcntl",
        "F_",
        "DUPFD GETFD SETFD GETFL SETFL GETLK SETLK SETLKW SETOWN GETOWN SETSIG GETSIG"
        " SETOWN_EX GETOWN_EX GETOWNER_UIDS OFD_GETLK OFD_SETLK OFD_SETLKW SETLEASE GETLEASE"
        " NOTIFY CANCELLK DUPFD_CLOEXEC SETPIPE_SZ GETPIPE_SZ ADD_SEALS GET_SEALS GET_RW_HINT"
        " SET_RW_HINT GET_FILE_RW_HINT SET_FILE_RW_HINT DUPFD_QUERY CREATED_QUERY GETLK64"
        " SETLK64 SETLKW64",
    ),
    "fd_flags": ("fcntl", "FD_", "CLOEXEC"),
    "lock_type": ("fcntl", "F_", "RDLCK WRLCK UNLCK EXLCK SHLCK"),
    "owner_type": ("fcntl", "F_OWNER_", "TID PID PGRP"),
    "seals": ("fcntl", "F_SEAL_", "SEAL SHRINK GROW WRITE FUTURE_WRITE EXEC"),
    "rw_hint": (
        "fcntl",
        "RWH_WRITE_LIFE_",
        "NOT_SET NONE SHORT MEDIUM LONG EXTREME",
    ),
    "dnotify": ("fcntl", "DN_", "ACCESS MODIFY CREATE DELETE RENAME ATTRIB MULTISHOT"),
    "close_range": ("fcntl", "CLOSE_RANGE_", "UNSHARE CLOEXEC"),
    "inotify_mask": (
        "inotify",
        "IN_",
        "ACCESS MODIFY ATTRIB CLOSE_WRITE CLOSE_NOWRITE OPEN MOVED_FROM MOVED_TO CREATE DELETE"
        " DELETE_SELF MOVE_SELF UNMOUNT Q_OVERFLOW IGNORED ONLYDIR DONT_FOLLOW EXCL_UNLINK"
        " MASK_CREATE MASK_ADD ISDIR ONESHOT",
    ),
    "inotify_init": ("inotify", "IN_", "NONBLOCK CLOEXEC"),
    "fanotify_class": ("inotify", "FAN_CLASS_", "NOTIF CONTENT PRE_CONTENT"),
    "fanotify_init": (
        "inotify",
        "FAN_",
        "CLOEXEC NONBLOCK UNLIMITED_QUEUE UNLIMITED_MARKS ENABLE_AUDIT REPORT_PIDFD REPORT_TID"
        " REPORT_FID REPORT_DIR_FID REPORT_NAME REPORT_TARGET_FID REPORT_FD_ERROR REPORT_MNT",
    ),
    "fanotify_mark": (
        "inotify",
        "FAN_MARK_",
        "ADD REMOVE DONT_FOLLOW ONLYDIR MOUNT IGNORED_MASK IGNORED_SURV_MODIFY FLUSH FILESYSTEM"
        " EVICTABLE IGNORE",
    ),
    "fanotify_mask": (
        "inotify",
        "FAN_",
        "ACCESS MODIFY ATTRIB CLOSE_WRITE CLOSE_NOWRITE OPEN MOVED_FROM MOVED_TO CREATE DELETE"
        " DELETE_SELF MOVE_SELF OPEN_EXEC Q_OVERFLOW FS_ERROR OPEN_PERM ACCESS_PERM"
        " OPEN_EXEC_PERM RENAME ONDIR EVENT_ON_CHILD",
    ),
    "splice": ("misc", "SPLICE_F_", "MOVE NONBLOCK MORE GIFT"),
    # memory
    "prot": ("mman", "PROT_", "NONE READ WRITE EXEC SEM GROWSDOWN GROWSUP"),
    "map_type": ("mman", "MAP_", "FILE SHARED PRIVATE SHARED_VALIDATE DROPPABLE"),
    "map": (
        "mman",
        "MAP_",
        "FIXED ANONYMOUS 32BIT ABOVE4G NORESERVE POPULATE NONBLOCK GROWSDOWN DENYWRITE EXECUTABLE"
        " LOCKED STACK HUGETLB SYNC FIXED_NOREPLACE UNINITIALIZED",
    ),
    "mremap": ("mman", "MREMAP_", "MAYMOVE FIXED DONTUNMAP"),
    "madvise": ("mman", "MADV_", "*"),
    "msync": ("mman", "MS_", "SYNC ASYNC INVALIDATE"),
    "mlockall": ("mman", "MCL_", "CURRENT FUTURE ONFAULT"),
    "mlock2": ("mman", "MLOCK_", "ONFAULT"),
    "memfd": ("mman", "MFD_", "CLOEXEC ALLOW_SEALING HUGETLB NOEXEC_SEAL EXEC"),
    "pkey_rights": ("mman", "PKEY_", "DISABLE_ACCESS DISABLE_WRITE"),
    "mpol_mode": (
        "mman",
        "MPOL_",
        "DEFAULT PREFERRED BIND INTERLEAVE LOCAL PREFERRED_MANY WEIGHTED_INTERLEAVE",
    ),
    "mpol_mode_flags": ("mman", "MPOL_F_", "STATIC_NODES RELATIVE_NODES NUMA_BALANCING"),
    "mpol_flags": ("mman", "MPOL_F_", "NODE ADDR MEMS_ALLOWED"),
    "mbind": ("mman", "MPOL_MF_", "STRICT MOVE MOVE_ALL"),
    "membarrier": ("mman", "MEMBARRIER_CMD_", "* -FLAG_CPU"),
    "membarrier_flags": ("mman", "MEMBARRIER_CMD_FLAG_", "CPU"),
    # processes
    "clone": (
        "sched",
        "CLONE_",
        "VM FS FILES SIGHAND PIDFD PTRACE VFORK PARENT THREAD NEWNS SYSVSEM SETTLS PARENT_SETTID"
        " CHILD_CLEARTID UNTRACED CHILD_SETTID NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET IO",
    ),
    "clone3": (
        "sched",
        "CLONE_",
        "VM FS FILES SIGHAND PIDFD PTRACE VFORK PARENT THREAD NEWNS SYSVSEM SETTLS PARENT_SETTID"
        " CHILD_CLEARTID DETACHED UNTRACED CHILD_SETTID NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID"
        " NEWNET IO CLEAR_SIGHAND INTO_CGROUP NEWTIME",
    ),
    "unshare": (
        "sched",
        "CLONE_",
        "NEWTIME VM FS FILES SIGHAND PIDFD PTRACE VFORK PARENT THREAD NEWNS SYSVSEM SETTLS"
        " PARENT_SETTID CHILD_CLEARTID UNTRACED CHILD_SETTID NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID"
        " NEWNET IO",
    ),
    "setns": (
        "sched",
        "CLONE_",
        "NEWTIME NEWNS NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET",
    ),
    "wait4": ("wait", "W", "NOHANG EXITED STOPPED CONTINUED NOWAIT =__WCLONE =__WALL =__WNOTHREAD"),
    "waitid": ("wait", "P_", "ALL PID PGID PIDFD"),
    "sched_policy": ("sched", "SCHED_", "=SCHED_OTHER FIFO RR BATCH IDLE DEADLINE EXT"),
    "sched_reset": ("sched", "SCHED_", "RESET_ON_FORK"),
    "sched_flags": (
        "sched",
        "SCHED_FLAG_",
        "RESET_ON_FORK RECLAIM DL_OVERRUN KEEP_POLICY KEEP_PARAMS UTIL_CLAMP_MIN UTIL_CLAMP_MAX",
    ),
    "rseq_flags": ("sched", "RSEQ_FLAG_", "UNREGISTER"),
    "rlimit": (
        "resource",
        "RLIMIT_",
        "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE"
        " RTPRIO RTTIME",
    ),
    "rusage": ("resource", "RUSAGE_", "SELF CHILDREN BOTH THREAD"),
    "prio_which": ("resource", "PRIO_", "PROCESS PGRP USER"),
    "ioprio_who": ("resource", "IOPRIO_WHO_", "PROCESS PGRP USER"),
    "ioprio_class": ("resource", "IOPRIO_CLASS_", "NONE RT BE IDLE"),
    "personality": ("misc", "PER_", "*"),
    "personality_flags": (
        "misc",
        "",
        "UNAME26 ADDR_NO_RANDOMIZE FDPIC_FUNCPTRS MMAP_PAGE_ZERO ADDR_COMPAT_LAYOUT"
        " READ_IMPLIES_EXEC ADDR_LIMIT_32BIT SHORT_INODE WHOLE_SECONDS STICKY_TIMEOUTS"
        " ADDR_LIMIT_3GB",
    ),
    "cap": ("capability", "CAP_", "* -LAST_CAP"),
    "cap_version": ("capability", "_LINUX_CAPABILITY_", "VERSION_1 VERSION_2 VERSION_3"),
    "secbits": (
        "capability",
        "SECBIT_",
        "NOROOT NOROOT_LOCKED NO_SETUID_FIXUP NO_SETUID_FIXUP_LOCKED KEEP_CAPS KEEP_CAPS_LOCKED"
        " NO_CAP_AMBIENT_RAISE NO_CAP_AMBIENT_RAISE_LOCKED",
    ),
    "arch_prctl": ("prctl", "ARCH_", "* -XCOMP_TILECFG -XCOMP_TILEDATA -SHSTK_SHSTK -SHSTK_WRSS"),
    "prctl": (
        "prctl",
        "PR_",
        "SET_PDEATHSIG GET_PDEATHSIG GET_DUMPABLE SET_DUMPABLE GET_UNALIGN SET_UNALIGN GET_KEEPCAPS"
        " SET_KEEPCAPS GET_FPEMU SET_FPEMU GET_FPEXC SET_FPEXC GET_TIMING SET_TIMING SET_NAME"
        " GET_NAME GET_ENDIAN SET_ENDIAN GET_SECCOMP SET_SECCOMP CAPBSET_READ CAPBSET_DROP GET_TSC"
        " SET_TSC GET_SECUREBITS SET_SECUREBITS SET_TIMERSLACK GET_TIMERSLACK"
        " TASK_PERF_EVENTS_DISABLE TASK_PERF_EVENTS_ENABLE MCE_KILL MCE_KILL_GET SET_MM"
        " SET_CHILD_SUBREAPER GET_CHILD_SUBREAPER SET_NO_NEW_PRIVS GET_NO_NEW_PRIVS"
        " GET_TID_ADDRESS SET_THP_DISABLE GET_THP_DISABLE MPX_ENABLE_MANAGEMENT"
        " MPX_DISABLE_MANAGEMENT SET_FP_MODE GET_FP_MODE CAP_AMBIENT SVE_SET_VL SVE_GET_VL"
        " GET_SPECULATION_CTRL SET_SPECULATION_CTRL PAC_RESET_KEYS SET_TAGGED_ADDR_CTRL"
        " GET_TAGGED_ADDR_CTRL SET_IO_FLUSHER GET_IO_FLUSHER SET_SYSCALL_USER_DISPATCH"
        " PAC_SET_ENABLED_KEYS PAC_GET_ENABLED_KEYS SCHED_CORE SME_SET_VL SME_GET_VL SET_MDWE"
        " GET_MDWE SET_MEMORY_MERGE GET_MEMORY_MERGE SET_PTRACER SET_VMA GET_AUXV",
    ),
    "pr_dumpable": ("misc", "SUID_DUMP_", "DISABLE USER ROOT"),
    "pr_tsc": ("prctl", "PR_TSC_", "ENABLE SIGSEGV"),
    "pr_cap_ambient": ("prctl", "PR_CAP_AMBIENT_", "IS_SET RAISE LOWER CLEAR_ALL"),
    "pr_set_mm": (
        "prctl",
        "PR_SET_MM_",
        "START_CODE END_CODE START_DATA END_DATA START_STACK START_BRK BRK ARG_START ARG_END"
        " ENV_START ENV_END AUXV EXE_FILE MAP MAP_SIZE",
    ),
    "pr_vma": ("prctl", "PR_SET_VMA_", "ANON_NAME"),
    "pr_dispatch": ("prctl", "PR_SYS_DISPATCH_", "OFF ON"),
    "pr_mce": ("prctl", "PR_MCE_KILL_", "CLEAR SET"),
    "pr_mce_policy": ("prctl", "PR_MCE_KILL_", "LATE EARLY DEFAULT"),
    "pr_spec": ("prctl", "PR_SPEC_", "STORE_BYPASS INDIRECT_BRANCH L1D_FLUSH"),
    "pr_spec_set": ("prctl", "PR_SPEC_", "ENABLE DISABLE FORCE_DISABLE DISABLE_NOEXEC"),
    "pr_spec_get": ("prctl", "PR_SPEC_", "PRCTL ENABLE DISABLE FORCE_DISABLE DISABLE_NOEXEC"),
    "pr_mdwe": ("prctl", "PR_MDWE_", "REFUSE_EXEC_GAIN NO_INHERIT"),
    "seccomp_mode": ("misc", "SECCOMP_MODE_", "STRICT FILTER"),
    "seccomp_op": (
        "misc",
        "SECCOMP_",
        "SET_MODE_STRICT SET_MODE_FILTER GET_ACTION_AVAIL GET_NOTIF_SIZES",
    ),
    "seccomp_flags": (
        "misc",
        "SECCOMP_FILTER_FLAG_",
        "TSYNC LOG SPEC_ALLOW NEW_LISTENER TSYNC_ESRCH WAIT_KILLABLE_RECV",
    ),
    "seccomp_action": (
        "misc",
        "SECCOMP_RET_",
        "KILL_PROCESS KILL_THREAD TRAP ERRNO USER_NOTIF TRACE LOG ALLOW",
    ),
    "ptrace": ("misc", "PTRACE_", "*"),
    "userfaultfd": ("fcntl", "O_", "NONBLOCK CLOEXEC"),
    "delete_module": ("fcntl", "O_", "NONBLOCK TRUNC"),
    "kcmp": ("misc", "KCMP_", "FILE VM FILES FS SIGHAND IO SYSVSEM EPOLL_TFD"),
    "reboot_magic1": ("misc", "LINUX_REBOOT_", "MAGIC1"),
    "reboot_magic2": ("misc", "LINUX_REBOOT_", "MAGIC2 MAGIC2A MAGIC2B MAGIC2C"),
    "reboot": (
        "misc",
        "LINUX_REBOOT_CMD_",
        "RESTART HALT CAD_ON CAD_OFF POWER_OFF RESTART2 SW_SUSPEND KEXEC",
    ),
    "getrandom": ("misc", "GRND_", "NONBLOCK RANDOM INSECURE"),
    "keyctl": ("misc", "KEYCTL_", "* -CAPS0_* -CAPS1_*"),
    "key_spec": ("misc", "KEY_SPEC_", "*"),
    "syslog": ("misc", "SYSLOG_ACTION_", "*"),
    "module_init": ("misc", "MODULE_INIT_", "*"),
    "landlock_create": ("misc", "LANDLOCK_CREATE_RULESET_", "VERSION ERRATA"),
    "landlock_rule": ("misc", "LANDLOCK_RULE_", "*"),
    "landlock_fs": ("misc", "LANDLOCK_ACCESS_FS_", "*"),
    "landlock_net": ("misc", "LANDLOCK_ACCESS_NET_", "*"),
    # signals and time
    "sigprocmask": ("signal", "SIG_", "BLOCK UNBLOCK SETMASK"),
    "sa_flags": (
        "signal",
        "SA_",
        "RESTORER ONSTACK RESTART INTERRUPT NODEFER RESETHAND SIGINFO NOCLDSTOP NOCLDWAIT"
        " EXPOSE_TAGBITS UNSUPPORTED",
    ),
    "sa_handler": ("signal", "SIG_", "DFL IGN ERR"),
    "sigaltstack": ("signal", "SS_", "AUTODISARM ONSTACK DISABLE"),
    "signalfd": ("signal", "SFD_", "CLOEXEC NONBLOCK"),
    "sigev": ("signal", "SIGEV_", "SIGNAL NONE THREAD THREAD_ID"),
    "si_code": (
        "signal",
        "SI_",
        "USER KERNEL QUEUE TIMER MESGQ ASYNCIO SIGIO TKILL DETHREAD ASYNCNL",
    ),
    "si_ILL": ("signal", "ILL_", "ILLOPC ILLOPN ILLADR ILLTRP PRVOPC PRVREG COPROC BADSTK"),
    "si_FPE": (
        "signal",
        "FPE_",
        "INTDIV INTOVF FLTDIV FLTOVF FLTUND FLTRES FLTINV FLTSUB FLTUNK CONDTRAP",
    ),
    "si_SEGV": (
        "signal",
        "SEGV_",
        "MAPERR ACCERR BNDERR PKUERR ACCADI ADIDERR ADIPERR MTEAERR MTESERR CPERR",
    ),
    "si_BUS": ("signal", "BUS_", "ADRALN ADRERR OBJERR MCEERR_AR MCEERR_AO"),
    "si_TRAP": ("signal", "TRAP_", "BRKPT TRACE BRANCH HWBKPT UNK PERF"),
    "si_CHLD": ("signal", "CLD_", "EXITED KILLED DUMPED TRAPPED STOPPED CONTINUED"),
    "si_IO": ("signal", "POLL_", "IN OUT MSG ERR PRI HUP"),
    "si_SYS": ("signal", "SYS_", "SECCOMP USER_DISPATCH"),
    "clock": (
        "time",
        "CLOCK_",
        "REALTIME MONOTONIC PROCESS_CPUTIME_ID THREAD_CPUTIME_ID MONOTONIC_RAW REALTIME_COARSE"
        " MONOTONIC_COARSE BOOTTIME REALTIME_ALARM BOOTTIME_ALARM SGI_CYCLE TAI",
    ),
    "timer_flags": ("time", "TIMER_", "ABSTIME"),
    "timerfd": ("time", "TFD_", "TIMER_ABSTIME TIMER_CANCEL_ON_SET CLOEXEC NONBLOCK"),
    "itimer": ("time", "ITIMER_", "REAL VIRTUAL PROF"),
    "adj_modes": (
        "time",
        "ADJ_",
        "OFFSET FREQUENCY MAXERROR ESTERROR STATUS TIMECONST SETOFFSET MICRO NANO TICK TAI"
        " OFFSET_SINGLESHOT OFFSET_SS_READ",
    ),
    "adj_status": (
        "time",
        "STA_",
        "PLL PPSFREQ PPSTIME FLL INS DEL UNSYNC FREQHOLD PPSSIGNAL PPSJITTER PPSWANDER PPSERROR"
        " CLOCKERR NANO MODE CLK",
    ),
    "adj_state": ("time", "TIME_", "OK INS DEL OOP WAIT ERROR"),
    # poll
    "poll": (
        "poll",
        "POLL",
        "IN PRI OUT ERR HUP NVAL RDNORM WRNORM RDBAND WRBAND MSG REMOVE RDHUP",
    ),
    "epoll": (
        "poll",
        "EPOLL",
        "IN PRI OUT ERR HUP NVAL RDNORM RDBAND WRNORM WRBAND MSG RDHUP EXCLUSIVE WAKEUP ONESHOT"
        " ET",
    ),
    "epoll_ctl": ("poll", "EPOLL_CTL_", "ADD DEL MOD"),
    "epoll_create": ("poll", "EPOLL_", "CLOEXEC"),
    "eventfd": ("poll", "EFD_", "SEMAPHORE CLOEXEC NONBLOCK"),
    "pidfd": ("poll", "PIDFD_", "NONBLOCK THREAD"),
    # sockets
    "family": ("socket", "AF_", "* -MAX -LOCAL -ROUTE -FILE"),
    "sock_type": ("socket", "SOCK_", "STREAM DGRAM RAW RDM SEQPACKET DCCP PACKET"),
    "sock_flags": ("socket", "SOCK_", "CLOEXEC NONBLOCK"),
    "ipproto": ("socket", "IPPROTO_", "* -MAX"),
    "netlink": ("socket", "NETLINK_", "ROUTE USERSOCK FIREWALL SOCK_DIAG NFLOG XFRM SELINUX ISCSI"
        " AUDIT FIB_LOOKUP CONNECTOR NETFILTER IP6_FW DNRTMSG KOBJECT_UEVENT GENERIC SCSITRANSPORT"
        " ECRYPTFS RDMA CRYPTO SMC"),
    "eth_p": ("socket", "ETH_P_", "IP ARP IPV6 ALL"),
    "shutdown": ("socket", "SHUT_", "RD WR RDWR"),
    "msg": (
        "socket",
        "MSG_",
        "OOB PEEK DONTROUTE CTRUNC PROBE TRUNC DONTWAIT EOR WAITALL FIN SYN CONFIRM RST ERRQUEUE"
        " NOSIGNAL MORE WAITFORONE BATCH ZEROCOPY FASTOPEN CMSG_CLOEXEC",
    ),
    "sol": ("socket", "SOL_", "*"),
    "so": ("socket", "SO_", "* -EE_* -DEVMEM_* -TIMESTAMP -TIMESTAMPNS -TIMESTAMPING -RCVTIMEO"
        " -SNDTIMEO -GET_FILTER -VM_*"),
    "ip": ("socket", "IP_", "* -PMTUDISC_* -DEFAULT_* -RECVRETOPTS"),
    "ipv6": ("socket", "IPV6_", "* -PMTUDISC_* -FL_* -PRIORITY_* -TLV_* -PREFER_* -FLOWINFO_*"),
    "tcp": ("socket", "TCP_", "NODELAY MAXSEG CORK KEEPIDLE KEEPINTVL KEEPCNT SYNCNT LINGER2"
        " DEFER_ACCEPT WINDOW_CLAMP INFO QUICKACK CONGESTION MD5SIG THIN_LINEAR_TIMEOUTS"
        " THIN_DUPACK USER_TIMEOUT REPAIR REPAIR_QUEUE QUEUE_SEQ REPAIR_OPTIONS FASTOPEN TIMESTAMP"
        " NOTSENT_LOWAT CC_INFO SAVE_SYN SAVED_SYN REPAIR_WINDOW FASTOPEN_CONNECT ULP MD5SIG_EXT"
        " FASTOPEN_KEY FASTOPEN_NO_COOKIE ZEROCOPY_RECEIVE INQ TX_DELAY"),
    "udp": ("socket", "UDP_", "CORK ENCAP NO_CHECK6_TX NO_CHECK6_RX SEGMENT GRO"),
    "netlink_opt": (
        "socket",
        "NETLINK_",
        "ADD_MEMBERSHIP DROP_MEMBERSHIP PKTINFO BROADCAST_ERROR NO_ENOBUFS RX_RING TX_RING"
        " LISTEN_ALL_NSID LIST_MEMBERSHIPS CAP_ACK EXT_ACK GET_STRICT_CHK",
    ),
    "packet_opt": ("socket", "PACKET_", "ADD_MEMBERSHIP DROP_MEMBERSHIP RECV_OUTPUT RX_RING"
        " STATISTICS COPY_THRESH AUXDATA ORIGDEV VERSION HDRLEN RESERVE TX_RING LOSS VNET_HDR"
        " TX_TIMESTAMP TIMESTAMP FANOUT TX_HAS_OFF QDISC_BYPASS ROLLOVER_STATS FANOUT_DATA"),
    "scm": ("socket", "SCM_", "RIGHTS CREDENTIALS SECURITY PIDFD"),
    "nl_type": ("socket", "NLMSG_", "NOOP ERROR DONE OVERRUN"),
    "rtm": ("socket", "RTM_", "* -BASE -MAX -NR_* -F_*"),
    "nl_flags": ("socket", "NLM_F_", "REQUEST MULTI ACK ECHO DUMP_INTR DUMP_FILTERED"),
    "nl_get": ("socket", "NLM_F_", "DUMP ROOT MATCH ATOMIC"),
    "nl_new": ("socket", "NLM_F_", "REPLACE EXCL CREATE APPEND"),
    "nl_del": ("socket", "NLM_F_", "NONREC BULK"),
    # System V and POSIX queues
    "ipc_private": ("ipc", "IPC_", "PRIVATE"),
    "ipc_flags": ("ipc", "IPC_", "CREAT EXCL NOWAIT"),
    "shm_get": ("ipc", "", "IPC_CREAT IPC_EXCL SHM_HUGETLB SHM_NORESERVE"),
    "sem_flags": ("ipc", "", "SEM_UNDO IPC_NOWAIT"),
    "msg_flags": ("ipc", "", "MSG_NOERROR MSG_EXCEPT MSG_COPY IPC_NOWAIT"),
    "shm_at": ("ipc", "SHM_", "RDONLY RND REMAP EXEC"),
    "shm_ctl": (
        "ipc",
        "",
        "IPC_RMID IPC_SET IPC_STAT IPC_INFO SHM_STAT SHM_INFO SHM_STAT_ANY SHM_LOCK SHM_UNLOCK",
    ),
    "sem_ctl": (
        "ipc",
        "",
        "IPC_RMID IPC_SET IPC_STAT IPC_INFO SEM_STAT SEM_INFO SEM_STAT_ANY GETPID GETVAL GETALL"
        " GETNCNT GETZCNT SETVAL SETALL",
    ),
    "msg_ctl": (
        "ipc",
        "",
        "IPC_RMID IPC_SET IPC_STAT IPC_INFO MSG_STAT MSG_INFO MSG_STAT_ANY",
    ),
    # mounts
    "mount": (
        "mount",
        "MS_",
        "RDONLY NOSUID NODEV NOEXEC SYNCHRONOUS REMOUNT MANDLOCK DIRSYNC NOSYMFOLLOW NOATIME"
        " NODIRATIME BIND MOVE REC SILENT POSIXACL UNBINDABLE PRIVATE SLAVE SHARED RELATIME"
        " KERNMOUNT I_VERSION STRICTATIME LAZYTIME SUBMOUNT NOREMOTELOCK NOSEC BORN ACTIVE NOUSER",
    ),
    "umount": ("mount", "MNT_", "FORCE DETACH EXPIRE =UMOUNT_NOFOLLOW"),
    "statfs": (
        "mount",
        "ST_",
        "VALID RDONLY NOSUID NODEV NOEXEC SYNCHRONOUS MANDLOCK NOATIME NODIRATIME RELATIME"
        " NOSYMFOLLOW",
    ),
    "fs_magic": ("mount", "", "*_MAGIC"),
    "mount_attr": (
        "mount",
        "MOUNT_ATTR_",
        "RDONLY NOSUID NODEV NOEXEC NOATIME STRICTATIME NODIRATIME IDMAP NOSYMFOLLOW",
    ),
    "fsconfig": ("mount", "FSCONFIG_", "*"),
    "fsopen": ("mount", "FSOPEN_", "CLOEXEC"),
    "fsmount": ("mount", "FSMOUNT_", "CLOEXEC"),
    "fspick": ("mount", "FSPICK_", "CLOEXEC SYMLINK_NOFOLLOW NO_AUTOMOUNT EMPTY_PATH"),
    "move_mount": (
        "mount",
        "MOVE_MOUNT_",
        "F_SYMLINKS F_AUTOMOUNTS F_EMPTY_PATH T_SYMLINKS T_AUTOMOUNTS T_EMPTY_PATH SET_GROUP"
        " BENEATH",
    ),
    "open_tree": ("fcntl", "", "OPEN_TREE_CLONE OPEN_TREE_CLOEXEC AT_SYMLINK_NOFOLLOW"
        " AT_NO_AUTOMOUNT AT_EMPTY_PATH AT_RECURSIVE"),
    "swap": ("mount", "SWAP_FLAG_", "PREFER DISCARD"),
    # futex
    "futex_op": (
        "futex",
        "FUTEX_",
        "WAIT WAKE FD REQUEUE CMP_REQUEUE WAKE_OP LOCK_PI UNLOCK_PI TRYLOCK_PI WAIT_BITSET"
        " WAKE_BITSET WAIT_REQUEUE_PI CMP_REQUEUE_PI LOCK_PI2",
    ),
    "futex_bits": ("futex", "FUTEX_", "PRIVATE_FLAG CLOCK_REALTIME"),
    "futex_wake_op": ("futex", "FUTEX_OP_", "SET ADD OR ANDN XOR"),
    "futex_wake_cmp": ("futex", "FUTEX_OP_CMP_", "EQ NE LT LE GT GE"),
    "futex_waitv": ("futex", "FUTEX_", "PRIVATE_FLAG 32"),
    # terminals
    "termios_iflag": ("ioctl", "", "IGNBRK BRKINT IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL"
        " IUCLC IXON IXANY IXOFF IMAXBEL IUTF8"),
    "termios_oflag": ("ioctl", "", "OPOST OLCUC ONLCR OCRNL ONOCR ONLRET OFILL OFDEL"),
    "termios_cflag": ("ioctl", "", "CSTOPB CREAD PARENB PARODD HUPCL CLOCAL CMSPAR CRTSCTS"),
    "termios_lflag": ("ioctl", "", "ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH TOSTOP IEXTEN"
        " ECHOCTL ECHOPRT ECHOKE FLUSHO PENDIN EXTPROC"),
    "termios_csize": ("ioctl", "CS", "5 6 7 8"),
    "termios_baud": ("ioctl", "B", "0 50 75 110 134 150 200 300 600 1200 1800 2400 4800 9600"
        " 19200 38400 57600 115200 230400 460800 500000 576000 921600 1000000 1152000 1500000"
        " 2000000 2500000 3000000 3500000 4000000"),
    "tcflsh": ("ioctl", "TC", "IFLUSH OFLUSH IOFLUSH"),
    "tcxonc": ("ioctl", "TC", "OOFF OON IOFF ION"),
    "modem_bits": ("ioctl", "TIOCM_", "LE DTR RTS ST SR CTS CAR RNG DSR OUT1 OUT2 LOOP"),
}  # fmt: skip

UNKNOWN = {
    "access": "?_OK",
    "at_statx": "",
    "fs_magic": "",
    "setns": "CLONE_NEW???",
    "seccomp_op": "SECCOMP_SET_MODE_???",
    "get_mempolicy": "MPOL_???",
    "mpol_flags": "MPOL_???",
    "personality_flags": "",
    "lock_type": "F_???",
    "open_access": "O_???",
    "rename": "RENAME_??",
    "madvise": "MADV_???",
    "wait4": "W???",
    "poll": "POLL???",
    "epoll": "EPOLL???",
    "clone": "CLONE_???",
    "sol": "SOL_??",
    "shm_get": "SHM_???",
    "shm_ctl": "SHM_???",
    "sem_ctl": "SEM_???",
    "msg_ctl": "MSG_???",
    "sem_flags": "SEM_???",
    "msg_flags": "MSG_???",
    "cap_version": "_LINUX_CAPABILITY_VERSION_???",
    "reboot_magic1": "LINUX_REBOOT_MAGIC_???",
    "reboot_magic2": "LINUX_REBOOT_MAGIC_???",
    "file_type": "S_IF???",
}
