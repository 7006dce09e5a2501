/* The ring-0 text: every way into the kernel and out of it, and the only code that touches user
   memory. Assembled by tools/entry.py into entry_code.py.

   Rules
   - A hypercall is OUT %al, $port; Engine.run() returns after it. Where no STI stands before it,
     a jump follows, so that the engine stops right there (it stops between translated blocks).
   - %gs points to the per-CPU words only between the SWAPGS of an entry from ring 3 and that of
     the way out. Entries from ring 0 never need it, so an interrupt may come at any place.
   - AC is user's to set (POPF) and survives interrupts: every entry clears it, else SMAP is off.
     SYSCALL's comes off by SFMASK.
   - The kernel uses no floating point: the user's stays in the registers. */

#define KERNEL_CS	0x10
#define USER32_CS	0x23
#define USER_DS		0x2b
#define USER_CS		0x33
#define GS_KSTACK	0
#define GS_SCRATCH	8
#define ENOSYS		38
#define EFAULT		14
#define IF		0x200
#define TF		0x100

#define PORT_SYSCALL	0x10
#define PORT_SYSENTER	0x11
#define PORT_INT80	0x12
#define PORT_CALL_GATE	0x13
#define PORT_EXCEPTION	0x18
#define PORT_IRQ	0x19
#define PORT_COPIED	0x1a
#define PORT_START	0x1b

/* offsets in pt_regs */
#define R_RAX		80
#define R_ORIG		120
#define R_RIP		128
#define R_CS		136
#define R_FLAGS		144
#define R_RSP		152
#define R_SS		160

	.text
	.code64

.macro STOP port
	out	%al, $\port
	jmp	.Lstop\@
.Lstop\@:
.endm

/* The rest of pt_regs, below orig_rax. The saved rax of a system call is -ENOSYS, as Linux's. */
.macro PUSH_REGS rax=%rax
	push	%rdi
	push	%rsi
	PUSH_BELOW_RSI \rax
.endm

.macro PUSH_BELOW_RSI rax=%rax
	push	%rdx
	push	%rcx
	push	\rax
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
.endm

/* All registers back; rsp at orig_rax. */
.macro POP_REGS
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
.endm

/* ---- SYSCALL: rcx = rip, r11 = rflags, rsp still the user's ---------------------------------- */
	.globl	entry_syscall
entry_syscall:
	/* The engine adds the instruction's length to the target, and a SYSCALL may carry prefixes. The
	   model allows for them, but the machine code hook trusts its memory of plain ones: should that
	   be wrong, ring 0 starts somewhere in here, never beyond SWAPGS. */
	.rept	13
	nop
	.endr
	swapgs
	mov	%rsp, %gs:GS_SCRATCH
	mov	%gs:GS_KSTACK, %rsp
	push	$USER_DS
	push	%gs:GS_SCRATCH
	push	%r11
	push	$USER_CS
	push	%rcx
	push	%rax
	PUSH_REGS $-ENOSYS
	sti
	out	%al, $PORT_SYSCALL
	cli
	test	%al, %al
	jnz	return_full
	.globl	return_sysret
return_sysret:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	add	$8, %rsp		/* r11: SYSRET needs rflags there */
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	add	$8, %rsp		/* rcx: SYSRET needs rip there */
	pop	%rdx
	pop	%rsi
	pop	%rdi
	mov	8(%rsp), %rcx
	mov	24(%rsp), %r11
	btr	$17, %r11		/* VM: the engine's SYSRET would take it */
	mov	32(%rsp), %rsp
	swapgs
	.globl	way_out_sysret
way_out_sysret:
	sysretq

/* ---- SYSENTER: the user's esp is in ebp by convention, its eip is nowhere: the kernel supplies
   the landing place (Linux's entry_SYSENTER_compat) --------------------------------------------- */
	.globl	entry_sysenter
entry_sysenter:
	.rept	13			/* see entry_syscall */
	nop
	.endr
	swapgs
	mov	%gs:GS_KSTACK, %rsp
	mov	%eax, %eax
	mov	%ebp, %ebp
	push	$USER_DS
	push	%rbp
	pushfq
	orq	$IF, (%rsp)		/* SYSENTER cleared it; it was set, or nobody could come here */
	push	$2			/* it leaves NT, with which IRET faults, AC, TF, DF */
	popfq
	push	$USER32_CS
	push	$0
	push	%rax
	PUSH_REGS $-ENOSYS
	sti
	out	%al, $PORT_SYSENTER
	cli
	test	%al, %al
	jnz	return_full
	.globl	return_sysexit
return_sysexit:
	POP_REGS
	mov	8(%rsp), %rdx
	mov	32(%rsp), %rcx
	add	$24, %rsp
	andq	$~IF, (%rsp)
	popfq
	swapgs
	sti				/* its shadow covers SYSEXIT */
	.globl	way_out_sysexit
way_out_sysexit:
	sysexit

/* ---- INT 0x80: the CPU has pushed ss, rsp, rflags, cs, rip -------------------------------------- */
	.globl	entry_int80
entry_int80:
	clac
	swapgs
	mov	%eax, %eax
	push	%rax
	PUSH_REGS $-ENOSYS
	sti
	out	%al, $PORT_INT80
	cli
	jmp	return_full

/* ---- call gate: the CPU has pushed ss, rsp, cs, rip, and left rflags alone ---------------------- */
	.globl	entry_call_gate
entry_call_gate:
	pushfq
	push	$2			/* the gate leaves all flags: IF, AC, NT, TF, DF */
	popfq
	swapgs
	push	%rax			/* rax flags rip cs rsp ss */
	mov	8(%rsp), %rax
	xchg	%rax, 24(%rsp)		/* flags to where cs is, cs to where rip is, rip below */
	xchg	%rax, 16(%rsp)
	mov	%rax, 8(%rsp)
	mov	(%rsp), %rax		/* orig_rax rip cs flags rsp ss: a frame like any other */
	PUSH_REGS $-ENOSYS
	sti
	out	%al, $PORT_CALL_GATE
	cli
	test	%al, %al
	jnz	return_full
	.globl	return_far
return_far:
	POP_REGS
	mov	%rax, (%rsp)
	mov	24(%rsp), %rax		/* and back: rax flags rip cs rsp ss */
	xchg	%rax, 8(%rsp)
	xchg	%rax, 16(%rsp)
	mov	%rax, 24(%rsp)
	pop	%rax
	swapgs
	popfq
	.globl	way_out_far
way_out_far:
	lretq

/* ---- a new thread's first way to its user code --------------------------------------------------- */
	.globl	entry_start
entry_start:
	STOP	PORT_START
	/* fall through */

/* ---- IRETQ with everything from pt_regs -------------------------------------------------------- */
	.globl	return_full
return_full:
	cli
	POP_REGS
	testb	$3, 16(%rsp)
	jz	2f
	swapgs
2:	add	$8, %rsp
	.globl	way_out_iret
way_out_iret:
	iretq

/* ---- exceptions: orig_rax holds the error code --------------------------------------------------- */
.macro EXCEPTION vector error=0
	.globl	exception_\vector
exception_\vector:
	.if	\error == 0
	push	$0
	.endif
	push	%rdi
	push	%rsi
	mov	$\vector, %esi
	jmp	exception_common
.endm

	EXCEPTION 0

/* SYSENTER and the call gate do not clear TF: a single step may end in ring 0, where it is over. */
	.globl	exception_1
exception_1:
	testb	$3, 8(%rsp)
	jnz	1f
	andq	$~TF, 16(%rsp)
	iretq
1:	push	$0
	push	%rdi
	push	%rsi
	mov	$1, %esi
	jmp	exception_common

	EXCEPTION 2
	EXCEPTION 3
	EXCEPTION 4
	EXCEPTION 5
	EXCEPTION 6
	EXCEPTION 7
	EXCEPTION 8 1
	EXCEPTION 9
	EXCEPTION 10 1
	EXCEPTION 11 1
	EXCEPTION 12 1
	EXCEPTION 13 1
	EXCEPTION 14 1
	EXCEPTION 15
	EXCEPTION 16
	EXCEPTION 17 1
	EXCEPTION 18
	EXCEPTION 19
	EXCEPTION 20
	EXCEPTION 21 1
	EXCEPTION 22
	EXCEPTION 23
	EXCEPTION 24
	EXCEPTION 25
	EXCEPTION 26
	EXCEPTION 27
	EXCEPTION 28
	EXCEPTION 29 1
	EXCEPTION 30 1
	EXCEPTION 31

/* IRETQ to a selector that is none: the fault is the user's, as if its own next instruction had met it
   (Linux's fixup_bad_iret). The frame that IRETQ could not use is pt_regs' upper end already; the
   error code and what is pushed so far join it there. rsi rdi error rip cs flags rsp ss. */
bad_iret:
	swapgs
	push	%rax
	mov	56(%rsp), %rdi
	mov	24(%rsp), %rax
	mov	%rax, -8(%rdi)
	mov	16(%rsp), %rax
	mov	%rax, -16(%rdi)
	mov	8(%rsp), %rax
	mov	%rax, -24(%rdi)
	pop	%rax
	lea	-24(%rdi), %rsp
	PUSH_BELOW_RSI
	clac
	jmp	4f

exception_common:
	cmpq	$way_out_iret, 24(%rsp)
	je	bad_iret
	PUSH_BELOW_RSI
	clac
	testb	$3, R_CS(%rsp)
	jz	3f
	swapgs
3:	cmp	$14, %esi
	jne	4f
	mov	%cr2, %rdx		/* before another fault can overwrite it */
	testb	$(IF >> 8), R_FLAGS+1(%rsp)
	jz	4f
	sti
	out	%al, $PORT_EXCEPTION
	jmp	return_full
4:	STOP	PORT_EXCEPTION
	jmp	return_full

/* ---- external interrupts ------------------------------------------------------------------------- */
.macro INTERRUPT number
	.globl	irq_\number
irq_\number:
	push	$-1
	push	%rdi
	push	%rsi
	mov	$(0x20 + \number), %esi
	jmp	irq_common
.endm

	INTERRUPT 0
	INTERRUPT 1
	INTERRUPT 2
	INTERRUPT 3
	INTERRUPT 4
	INTERRUPT 5
	INTERRUPT 6
	INTERRUPT 7
	INTERRUPT 8
	INTERRUPT 9
	INTERRUPT 10
	INTERRUPT 11
	INTERRUPT 12
	INTERRUPT 13
	INTERRUPT 14
	INTERRUPT 15

irq_common:
	PUSH_BELOW_RSI
	clac
	testb	$3, R_CS(%rsp)
	jz	5f
	swapgs
5:	STOP	PORT_IRQ
	jmp	return_full

/* ---- user memory ---------------------------------------------------------------------------------
   Called by Python: arguments in registers, on the current kernel stack, which they do not use.
   They end with OUT PORT_COPIED. Between STAC and CLAC ring 0 may touch user pages; a fault there
   either is served and the instruction runs again, or continues at the fixup that the exception
   table names. A pointer at or above USER_END is refused before any access. */

/* fixup for every instruction between the labels */
.macro TABLE start end fixup
	.pushsection .extable, "a"
	.quad	\start, \end, \fixup
	.popsection
.endm

/* Fault if [\address, \address + \size) is not all user space; clobbers r8. */
.macro CHECK_RANGE address size otherwise=refused
	movabs	$0x00007ffffffff000, %r8
	cmp	%r8, \address
	ja	\otherwise
	sub	\address, %r8
	cmp	%r8, \size
	ja	\otherwise
.endm

/* rdx bytes from (rsi) to (rdi); the eight words go together, so a fault leaves rdi, rsi and rcx
   as they were before that line, and the bytes are then tried one by one. */
.macro COPY name
	.globl	\name
	.balign	16
\name\():
	mov	%rdx, %rcx
	stac
	cmp	$64, %rcx
	jb	2f
	.balign	16
1:	mov	(%rsi), %rax
	mov	8(%rsi), %r8
	mov	16(%rsi), %r9
	mov	24(%rsi), %r10
	mov	%rax, (%rdi)
	mov	%r8, 8(%rdi)
	mov	%r9, 16(%rdi)
	mov	%r10, 24(%rdi)
	mov	32(%rsi), %rax
	mov	40(%rsi), %r8
	mov	48(%rsi), %r9
	mov	56(%rsi), %r10
	mov	%rax, 32(%rdi)
	mov	%r8, 40(%rdi)
	mov	%r9, 48(%rdi)
	mov	%r10, 56(%rdi)
	add	$64, %rsi
	add	$64, %rdi
	sub	$64, %rcx
	cmp	$64, %rcx
	jae	1b
2:	cmp	$8, %rcx
	jb	4f
3:	mov	(%rsi), %rax
	mov	%rax, (%rdi)
	add	$8, %rsi
	add	$8, %rdi
	sub	$8, %rcx
	cmp	$8, %rcx
	jae	3b
4:	test	%rcx, %rcx
	jz	6f
5:	movb	(%rsi), %al
	movb	%al, (%rdi)
	inc	%rsi
	inc	%rdi
	dec	%rcx
	jnz	5b
6:	clac
	mov	%rcx, %rax
	STOP	PORT_COPIED
	TABLE	1b 4b 5b
	TABLE	5b 6b 6b
.endm

	.globl	copy_from_user
copy_from_user:			/* rdi kernel, rsi user, rdx size -> rax bytes not copied */
	CHECK_RANGE %rsi %rdx
	COPY	copy_from_user_checked

	.globl	copy_to_user
copy_to_user:			/* rdi user, rsi kernel, rdx size -> rax bytes not copied */
	CHECK_RANGE %rdi %rdx
	COPY	copy_to_user_checked

refused:
	mov	%rdx, %rax
	STOP	PORT_COPIED

	.globl	clear_user
clear_user:			/* rdi user, rdx size -> rax bytes not cleared */
	CHECK_RANGE %rdi %rdx
	mov	%rdx, %rcx
	xor	%eax, %eax
	stac
1:	cmp	$8, %rcx
	jb	3f
2:	mov	%rax, (%rdi)
	add	$8, %rdi
	sub	$8, %rcx
	jmp	1b
3:	test	%rcx, %rcx
	jz	5f
4:	movb	%al, (%rdi)
	inc	%rdi
	dec	%rcx
	jnz	4b
5:	clac
	mov	%rcx, %rax
	STOP	PORT_COPIED
	TABLE	2b 3b 3b
	TABLE	4b 5b 5b

/* A word is searched for its zero byte by the well-known (w - 0x01..) & ~w & 0x80.. test. A word may
   reach over the page's end where the string does not: on a fault the bytes are tried. */
	.globl	copy_string_from_user
copy_string_from_user:		/* rdi kernel, rsi user, rdx limit -> rax length, -1 none, -14 fault */
	movabs	$0x00007ffffffff000, %r8
	xor	%r11d, %r11d		/* what running into the limit means */
	dec	%r11
	cmp	%r8, %rsi
	jae	9f
	sub	%rsi, %r8
	cmp	%r8, %rdx
	jbe	1f
	mov	%r8, %rdx
	mov	$-EFAULT, %r11
1:	mov	%rdi, %rcx		/* where the copy began */
	movabs	$0x0101010101010101, %r9
	movabs	$0x8080808080808080, %r10
	stac
2:	cmp	$8, %rdx
	jb	4f
3:	mov	(%rsi), %rax
	mov	%rax, %r8
	sub	%r9, %r8
	not	%rax
	and	%rax, %r8
	not	%rax
	test	%r10, %r8
	jnz	4f
	mov	%rax, (%rdi)
	add	$8, %rsi
	add	$8, %rdi
	sub	$8, %rdx
	jmp	2b
4:	test	%rdx, %rdx
	jz	8f
5:	movb	(%rsi), %al
6:	movb	%al, (%rdi)
	test	%al, %al
	jz	7f
	inc	%rsi
	inc	%rdi
	dec	%rdx
	jnz	5b
8:	clac
	mov	%r11, %rax
	STOP	PORT_COPIED
7:	clac
	mov	%rdi, %rax
	sub	%rcx, %rax
	STOP	PORT_COPIED
9:	clac
	mov	$-EFAULT, %rax
	STOP	PORT_COPIED
	TABLE	3b 4b 5b
	TABLE	5b 6b 9b

/* One word, atomically as the CPU does it: rdi user address; rsi, rdx operands -> rax 0 or
   -EFAULT, rdx the word read. */
.macro WORD name size
	.globl	\name
\name:
	mov	$\size, %ecx
	CHECK_RANGE %rdi %rcx word_fault
	mov	%rsi, %rax
	stac
.endm

.macro DONE from
8:	mov	%rax, %rdx
	clac
	xor	%eax, %eax
	STOP	PORT_COPIED
	TABLE	\from 8b word_fault
.endm

	WORD	get_user_32 4
1:	movl	(%rdi), %eax
	DONE	1b

	WORD	get_user_64 8
1:	movq	(%rdi), %rax
	DONE	1b

	WORD	put_user_32 4		/* rsi: the value */
1:	movl	%esi, (%rdi)
	DONE	1b

	WORD	put_user_64 8
1:	movq	%rsi, (%rdi)
	DONE	1b

	WORD	cmpxchg_user_32 4	/* rsi: expected, rdx: new */
1:	lock cmpxchgl %edx, (%rdi)
	DONE	1b

	WORD	cmpxchg_user_64 8
1:	lock cmpxchgq %rdx, (%rdi)
	DONE	1b

	WORD	xchg_user_32 4		/* FUTEX_OP_SET; rsi: the operand, here and below */
1:	xchgl	%eax, (%rdi)
	DONE	1b

	WORD	add_user_32 4		/* FUTEX_OP_ADD */
1:	lock xaddl %eax, (%rdi)
	DONE	1b

.macro LOOP name operation
	WORD	\name 4
1:	movl	(%rdi), %eax
2:	movl	%eax, %edx
	\operation %esi, %edx
3:	lock cmpxchgl %edx, (%rdi)
	jnz	2b
	DONE	1b
.endm

	LOOP	or_user_32 orl		/* FUTEX_OP_OR */
	LOOP	and_user_32 andl	/* FUTEX_OP_ANDN, its operand complemented */
	LOOP	xor_user_32 xorl	/* FUTEX_OP_XOR */

word_fault:
	clac
	mov	$-EFAULT, %rax
	STOP	PORT_COPIED

/* What the copy routines must not do: a read of a user page without STAC. SMAP refuses it. */
	.globl	peek_outside_window
peek_outside_window:		/* rdi user address -> rax 0 or -EFAULT, rdx the word */
1:	movq	(%rdi), %rax
2:	mov	%rax, %rdx
	xor	%eax, %eax
	STOP	PORT_COPIED
	TABLE	1b 2b word_fault

/* ---- the floating point state, for signal frames: rdi a kernel buffer of 512 bytes --------------- */
	.globl	save_fpu
save_fpu:
	fxsave64 (%rdi)
	xor	%eax, %eax
	STOP	PORT_COPIED

	.globl	restore_fpu
restore_fpu:			/* -> rax 0, or -EFAULT where the CPU refuses the image (#GP) */
1:	fxrstor64 (%rdi)
2:	xor	%eax, %eax
	STOP	PORT_COPIED
	TABLE	1b 2b word_fault

	.globl	clear_fpu
clear_fpu:			/* as a fresh program finds it */
	fninit
	STOP	PORT_COPIED

/* ---- a place where interrupts that wait can come in, during a call or in the idle loop ------------ */
	.globl	breathe
breathe:
	nop
	STOP	PORT_COPIED

/* ---- nothing left to do: interrupts wake it ------------------------------------------------------ */
	.globl	idle
idle:
	sti
	hlt
	jmp	idle
	.globl	text_end
text_end:

/* ---- the vsyscall page: three calls at fixed addresses (arch/x86/entry/vsyscall) ----------------- */
	.section .vsyscall, "ax"
	.globl	vsyscall_page
vsyscall_page:
	mov	$96, %eax		/* gettimeofday */
	syscall
	ret
	.balign	1024, 0xcc
	mov	$201, %eax		/* time */
	syscall
	ret
	.balign	1024, 0xcc
	mov	$309, %eax		/* getcpu */
	syscall
	ret
	.balign	1024, 0xcc
	.balign 4096, 0xcc
