/* Structs of the system call interface that no UAPI header has, or has only in a form that C
 * libraries use. Written after the kernel's own declarations; the file is named at each.
 * Prefix k_ where the plain name is taken. */

#undef sa_handler  /* i386 UAPI macros */
#undef sa_sigaction

typedef unsigned long long k_sigset;  /* include/uapi/asm-generic/signal.h: 64 bits on both ABIs */
typedef void *k_pointer;

struct k_sigaction {  /* include/linux/signal_types.h */
	k_pointer sa_handler;
	unsigned long sa_flags;
	k_pointer sa_restorer;
	k_sigset sa_mask;
};
struct old_sigaction {  /* include/linux/signal_types.h */
	k_pointer sa_handler;
	unsigned long sa_mask;
	unsigned long sa_flags;
	k_pointer sa_restorer;
};
struct sigset_argpack { k_pointer p; size_t size; };  /* fs/select.c */

struct k_ucontext {  /* include/uapi/asm-generic/ucontext.h, arch/x86/include/asm/ia32.h */
	unsigned long uc_flags;
	k_pointer uc_link;
	stack_t uc_stack;
	struct sigcontext uc_mcontext;
	k_sigset uc_sigmask;
};
#ifdef __x86_64__
struct rt_sigframe {  /* arch/x86/include/asm/sigframe.h */
	k_pointer pretcode;
	struct k_ucontext uc;
	siginfo_t info;
};
#else
struct sigframe {
	k_pointer pretcode;
	int sig;
	struct sigcontext sc;
	struct _fpstate_32 fpstate_unused;
	unsigned int extramask[1];
	char retcode[8];
};
struct rt_sigframe {
	k_pointer pretcode;
	int sig;
	k_pointer pinfo;
	k_pointer puc;
	siginfo_t info;
	struct k_ucontext uc;
	char retcode[8];
};
#endif

struct k_msghdr {  /* user_msghdr in include/linux/socket.h */
	k_pointer msg_name;
	int msg_namelen;
	k_pointer msg_iov;
	__kernel_size_t msg_iovlen;
	k_pointer msg_control;
	__kernel_size_t msg_controllen;
	unsigned int msg_flags;
};
struct k_mmsghdr { struct k_msghdr msg_hdr; unsigned int msg_len; };
struct k_cmsghdr { __kernel_size_t cmsg_len; int cmsg_level; int cmsg_type; };
struct k_ucred { __u32 pid; __u32 uid; __u32 gid; };
struct k_linger { int l_onoff; int l_linger; };
struct k_sockaddr { sa_family_t sa_family; unsigned char sa_data[14]; };
struct k_sockaddr_storage { sa_family_t ss_family; char data[126]; } __attribute__((aligned(sizeof(long))));
struct k_sockaddr_in {  /* padding as bytes */
	sa_family_t sin_family;
	__be16 sin_port;
	struct in_addr sin_addr;
	unsigned char sin_zero[8];
};

struct linux_dirent { unsigned long d_ino, d_off; unsigned short d_reclen; char d_name[]; };
struct linux_dirent64 {  /* include/linux/dirent.h */
	__u64 d_ino;
	__s64 d_off;
	unsigned short d_reclen;
	unsigned char d_type;
	char d_name[];
};
struct old_linux_dirent {  /* fs/readdir.c */
	unsigned long d_ino, d_offset;
	unsigned short d_namlen;
	char d_name[];
};
struct k_file_handle { __u32 handle_bytes; int handle_type; unsigned char f_handle[]; };
struct ustat {  /* include/linux/types.h */
	int f_tfree;
	unsigned long f_tinode;
	char f_fname[6];
	char f_fpack[6];
};
struct k_sched_param { int sched_priority; };
struct sel_arg_struct { unsigned long n; k_pointer inp, outp, exp, tvp; };  /* fs/select.c */
struct mmap_arg_struct { unsigned long addr, len, prot, flags, fd, offset; };  /* mm/mmap.c */

struct user_regs_struct {  /* arch/x86/include/asm/user_64.h, user_32.h */
#ifdef __x86_64__
	unsigned long r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	unsigned long orig_rax, rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
#else
	unsigned long ebx, ecx, edx, esi, edi, ebp, eax, ds, es, fs, gs, orig_eax;
	unsigned long eip, cs, eflags, esp, ss;
#endif
};
struct user_fxsr_struct {  /* FXSAVE area, arch/x86/include/asm/user_64.h, user_32.h */
	unsigned short cwd, swd, twd, fop;
#ifdef __x86_64__
	__u64 rip, rdp;
	__u32 mxcsr, mxcsr_mask;
#else
	__u32 fip, fcs, foo, fos, mxcsr, reserved;
#endif
	__u32 st_space[32];
#ifdef __x86_64__
	__u32 xmm_space[64];
	__u32 padding[24];
#else
	__u32 xmm_space[32];
	__u32 padding[56];
#endif
};
