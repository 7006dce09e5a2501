"""Which C structs `ring3.abi.layout_data` describes, and how their parts are named."""

from __future__ import annotations

HEADERS = (
    "linux/types.h linux/time_types.h linux/time.h linux/timex.h linux/times.h linux/resource.h"
    " linux/signal.h asm/siginfo.h asm/sigcontext.h linux/signalfd.h linux/stat.h asm/stat.h"
    " asm/statfs.h linux/sysinfo.h linux/utsname.h linux/fcntl.h linux/uio.h linux/in.h"
    " linux/in6.h linux/un.h linux/netlink.h linux/rtnetlink.h linux/if.h linux/if_addr.h"
    " linux/if_link.h linux/if_arp.h linux/if_packet.h linux/if_tun.h linux/tcp.h linux/errqueue.h"
    " linux/route.h linux/eventpoll.h asm/poll.h linux/inotify.h linux/fanotify.h asm/termios.h"
    " asm/termbits.h linux/sched.h linux/sched/types.h linux/openat2.h linux/futex.h linux/rseq.h"
    " linux/capability.h linux/fs.h asm/ldt.h linux/utime.h linux/ipc.h linux/shm.h linux/sem.h"
    " linux/msg.h asm/ipcbuf.h asm/shmbuf.h asm/sembuf.h asm/msgbuf.h linux/mqueue.h"
    " linux/io_uring.h linux/aio_abi.h linux/seccomp.h linux/filter.h linux/landlock.h"
    " linux/ptrace.h asm/ptrace.h linux/mount.h linux/mman.h linux/perf_event.h linux/keyctl.h"
    " linux/kexec.h linux/fiemap.h linux/pidfd.h linux/xattr.h linux/quota.h linux/vt.h linux/kd.h"
    " linux/fb.h linux/rtc.h linux/loop.h linux/hdreg.h linux/prctl.h linux/input.h linux/nsfs.h"
    " linux/lsm.h linux/acct.h linux/random.h linux/module.h linux/genetlink.h linux/neighbour.h"
    " linux/sock_diag.h linux/inet_diag.h linux/unix_diag.h linux/vm_sockets.h linux/userfaultfd.h"
    " linux/membarrier.h linux/stddef.h linux/userio.h linux/uinput.h linux/soundcard.h"
    " linux/serial.h linux/cdrom.h linux/fscrypt.h linux/fsverity.h linux/msdos_fs.h linux/elf.h"
    " linux/icmp.h linux/icmpv6.h linux/ip.h linux/ipv6.h linux/udp.h linux/if_ether.h"
).split()

# layout name, or name=C tag where the two differ; the C tag may be a typedef.
STRUCTS = """
timespec timeval timezone __kernel_timespec
itimerspec __kernel_itimerspec itimerval
__kernel_sock_timeval timex __kernel_timex tms rusage rlimit rlimit64 sysinfo
utsname=new_utsname oldold_utsname old_utsname
stat stat64 __old_kernel_stat statx statx_timestamp statfs statfs64 ustat
sigaction=k_sigaction old_sigaction siginfo sigaltstack=stack_t sigevent sigset_argpack sigcontext
ucontext=k_ucontext sigframe rt_sigframe _fpstate_32 _fpstate_64 _fpx_sw_bytes _xstate
_fpreg _fpxreg _xmmreg _header _ymmh_state signalfd_siginfo
user_regs_struct user_fxsr_struct pt_regs
flock flock64 f_owner_ex iovec msghdr=k_msghdr mmsghdr=k_mmsghdr cmsghdr=k_cmsghdr
sockaddr=k_sockaddr sockaddr_storage=k_sockaddr_storage sockaddr_un sockaddr_in=k_sockaddr_in
sockaddr_in6 sockaddr_nl sockaddr_ll sockaddr_vm ucred=k_ucred linger=k_linger
ip_mreq ip_mreqn ip_mreq_source ipv6_mreq in_pktinfo in6_pktinfo group_req group_source_req
tcp_info sock_extended_err packet_mreq ip6_mtuinfo sock_filter sock_fprog
nlmsghdr nlmsgerr nlattr rtmsg rtgenmsg ifinfomsg ifaddrmsg rtattr rta_cacheinfo ifa_cacheinfo
ndmsg rtnexthop rtnl_link_stats rtnl_link_stats64 genlmsghdr sock_diag_req
inet_diag_req_v2 inet_diag_sockid inet_diag_msg unix_diag_req unix_diag_msg
ifreq ifconf ifmap rtentry arpreq iphdr ipv6hdr tcphdr udphdr icmphdr ethhdr
epoll_event epoll_params pollfd inotify_event fanotify_event_metadata fanotify_response
fanotify_event_info_header fanotify_event_info_fid fanotify_event_info_pidfd
fanotify_event_info_error fanotify_response_info_audit_rule
termios termios2 termio winsize
clone_args open_how robust_list robust_list_head futex_waitv rseq rseq_cs
sched_attr sched_param=k_sched_param cap_user_header=__user_cap_header_struct
cap_user_data=__user_cap_data_struct
vfs_cap_data vfs_ns_cap_data
file_handle=k_file_handle linux_dirent linux_dirent64 old_linux_dirent fsxattr file_attr xattr_args
user_desc utimbuf sel_arg_struct mmap_arg_struct
shmid_ds=shmid64_ds semid_ds=semid64_ds msqid_ds=msqid64_ds ipc_perm=ipc64_perm
old_shmid_ds=shmid_ds old_semid_ds=semid_ds old_msqid_ds=msqid_ds old_ipc_perm=ipc_perm
sembuf seminfo shminfo=shminfo64 old_shminfo=shminfo shm_info msginfo msgbuf ipc_kludge mq_attr
io_uring_params io_sqring_offsets io_cqring_offsets io_uring_sqe io_uring_cqe
io_uring_getevents_arg io_uring_files_update io_uring_rsrc_register io_uring_rsrc_update
io_uring_probe io_uring_probe_op io_uring_buf io_uring_buf_reg iocb io_event
seccomp_data seccomp_notif seccomp_notif_resp seccomp_notif_sizes seccomp_notif_addfd
landlock_ruleset_attr landlock_path_beneath_attr landlock_net_port_attr
ptrace_syscall_info ptrace_peeksiginfo_args ptrace_rseq_configuration
mount_attr statmount mnt_id_req mnt_ns_info cachestat cachestat_range pidfd_info ns_id_req
perf_event_attr keyctl_dh_params kexec_segment file_clone_range file_dedupe_range
file_dedupe_range_info fstrim_range fiemap fiemap_extent if_dqblk if_dqinfo if_nextdqblk
vt_stat vt_mode vt_sizes kbentry kbsentry fb_fix_screeninfo fb_var_screeninfo fb_bitfield rtc_time
loop_info64 loop_config hd_geometry prctl_mm_map input_event input_id input_absinfo lsm_ctx acct
acct_v3 rand_pool_info uffdio_api uffdio_range uffdio_register serial_struct
audio_buf_info count_info fsverity_enable_arg page_region pm_scan_arg procmap_query
Elf32_Ehdr Elf64_Ehdr Elf32_Phdr Elf64_Phdr Elf32_Shdr Elf64_Shdr Elf32_Nhdr Elf64_Nhdr
Elf32_Dyn Elf64_Dyn Elf32_Sym Elf64_Sym Elf32_Rel Elf64_Rel Elf32_Rela Elf64_Rela
""".split()

# C types that are one field in a layout although C makes them a struct or union: format by word.
SCALARS = {
    "sigval": {64: "Q", 32: "I"},
    "in_addr": {64: "4s", 32: "4s"},  # network order: bytes
    "in6_addr": {64: "16s", 32: "16s"},
    "__be16": {64: "2s", 32: "2s"},
    "__be32": {64: "4s", 32: "4s"},
    "__be64": {64: "8s", 32: "8s"},
    "__kernel_fsid_t": {64: "2i", 32: "2i"},
}

# Fields inside unions that go by another name in C sources: path to name. A layout listed here
# keeps, of its union, only what is named.
RENAMED = {
    "siginfo": {
        "si_signo": "si_signo",
        "si_errno": "si_errno",
        "si_code": "si_code",
        "_sifields._kill._pid": "si_pid",
        "_sifields._kill._uid": "si_uid",
        "_sifields._timer._tid": "si_timerid",
        "_sifields._timer._overrun": "si_overrun",
        "_sifields._rt._sigval": "si_value",
        "_sifields._sigchld._status": "si_status",
        "_sifields._sigchld._utime": "si_utime",
        "_sifields._sigchld._stime": "si_stime",
        "_sifields._sigfault._addr": "si_addr",
        "_sifields._sigfault._addr_lsb": "si_addr_lsb",
        "_sifields._sigfault._addr_bnd._lower": "si_lower",
        "_sifields._sigfault._addr_bnd._upper": "si_upper",
        "_sifields._sigfault._addr_pkey._pkey": "si_pkey",
        "_sifields._sigpoll._band": "si_band",
        "_sifields._sigpoll._fd": "si_fd",
        "_sifields._sigsys._call_addr": "si_call_addr",
        "_sifields._sigsys._syscall": "si_syscall",
        "_sifields._sigsys._arch": "si_arch",
    },
    "sigevent": {
        "sigev_value": "sigev_value",
        "sigev_signo": "sigev_signo",
        "sigev_notify": "sigev_notify",
        "_sigev_un._tid": "sigev_notify_thread_id",
        "_sigev_un._sigev_thread._function": "sigev_notify_function",
        "_sigev_un._sigev_thread._attribute": "sigev_notify_attributes",
    },
    "ifconf": {"ifc_len": "ifc_len", "ifc_ifcu.ifcu_buf": "ifc_buf"},
    "ifreq": {
        "ifr_ifrn.ifrn_name": "ifr_name",
        "ifr_ifru.ifru_addr": "ifr_addr",
        "ifr_ifru.ifru_flags": "ifr_flags",
        "ifr_ifru.ifru_ivalue": "ifr_ifindex",
        "ifr_ifru.ifru_mtu": "ifr_mtu",
        "ifr_ifru.ifru_map": "ifr_map",
        "ifr_ifru.ifru_newname": "ifr_newname",
        "ifr_ifru.ifru_data": "ifr_data",
    },
}

# Tags that mean a struct already described under another name.
SAME = {
    "__kernel_old_timespec": "timespec",
    "__kernel_old_timeval": "timeval",
    "__kernel_old_itimerval": "itimerval",
}

# Fields that the kernel's headers call unsigned but that hold times before 1970 too.
SIGNED_FIELDS = ("st_atime", "st_mtime", "st_ctime")
