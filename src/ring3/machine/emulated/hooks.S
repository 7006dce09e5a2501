/* Hooks as machine code for x86-64 hosts with the System V convention; Python callbacks do the same
   elsewhere (callbacks.py, transitions.py). Assembled by tools/entry.py into hooks_code.py.

   Each gets the cell (see hooks.py) as its last argument. Fields of the processor's state whose place
   is found at start stand here as marks, which MachineCode.add replaces. */

#define LEFT		0
#define STOP		8
#define PORT		16
#define STATE		24
#define CHECK_IO	32		/* + 8 * size */
#define MODEL		72
#define PROBED		80
#define COMPUTE_FLAGS	88
#define PLAIN		1024		/* 128 pairs (rip, CR3) of SYSCALLs without prefixes */

#define EFER		0x7e000100
#define STAR		0x7e000200
#define LSTAR		0x7e000300
#define SFMASK		0x7e000400

#define S_RCX		8
#define S_R11		88
#define S_RIP		128
#define S_EFLAGS	136
#define S_CC_SRC	152
#define S_CC_OP		168
#define S_DF		172
#define S_HFLAGS	176
#define S_CS		208
#define S_SS		232
#define S_CR3		448

#define ARITHMETIC	0x8d5
#define DF		0x400
#define RF		0x10000

	.text

/* (uc rdi, address rsi, size edx, cell rcx): count; stop before the block that is one too many */
	.globl	block
block:	decq	LEFT(%rcx)
	js	1f
	ret
1:	jmp	*STOP(%rcx)
	.globl	block_end
block_end:

/* (uc rdi, port esi, size edx, value ecx, cell r8): ring 0 makes a hypercall. Otherwise, unless
   CPL <= IOPL, QEMU's own check of the TSS bitmap, which raises #GP and does not return if the port
   is refused. */
	.globl	out
out:	mov	STATE(%r8), %r9
	testb	$3, S_HFLAGS(%r9)
	jnz	1f
	mov	%esi, %eax
	mov	%rax, PORT(%r8)
	jmp	*STOP(%r8)
1:	mov	S_EFLAGS(%r9), %eax
	shr	$12, %eax
	and	$3, %eax
	mov	S_HFLAGS(%r9), %r10d
	and	$3, %r10d
	cmp	%eax, %r10d
	ja	2f
	ret
2:	mov	%r9, %rdi
	jmp	*CHECK_IO(%r8,%rdx,8)
	.globl	out_end
out_end:

/* (uc rdi, port esi, size edx, cell rcx): the same; nothing answers, as on an empty bus */
	.globl	in
in:	mov	STATE(%rcx), %r9
	mov	S_EFLAGS(%r9), %eax
	shr	$12, %eax
	and	$3, %eax
	mov	S_HFLAGS(%r9), %r10d
	and	$3, %r10d
	cmp	%eax, %r10d
	jbe	1f
	mov	%r9, %rdi
	push	%rcx
	call	*CHECK_IO(%rcx,%rdx,8)
	pop	%rcx
1:	or	$-1, %eax
	ret
	.globl	in_end
in_end:

/* (uc rdi, cell rsi): Transitions.syscall, step by step; the model itself where it faults or somebody
   wants to be told */
	.globl	syscall
syscall:
	mov	STATE(%rsi), %rdx
	cmpq	$0, PROBED(%rsi)
	jne	1f
	testb	$1, EFER(%rdx)			/* SCE */
	jz	1f
	testb	$0x80, S_HFLAGS+1(%rdx)		/* CS.L */
	jz	1f
	mov	S_RIP(%rdx), %rax
	mov	%eax, %ecx
	and	$127, %ecx
	shl	$4, %ecx
	cmp	PLAIN(%rsi,%rcx), %rax
	jne	1f
	mov	S_CR3(%rdx), %rax
	cmp	PLAIN+8(%rsi,%rcx), %rax
	je	2f
1:	jmp	*MODEL(%rsi)
2:	push	%rbx
	mov	%rdx, %rbx
	mov	S_CC_SRC(%rbx), %rax
	cmpl	$1, S_CC_OP(%rbx)
	je	3f
	mov	COMPUTE_FLAGS(%rsi), %rax
	mov	%rbx, %rdi
	mov	S_CC_OP(%rbx), %esi
	call	*%rax
3:	and	$ARITHMETIC, %eax
	mov	S_EFLAGS(%rbx), %rcx
	and	$~(ARITHMETIC | DF | RF), %rcx
	or	%rcx, %rax
	or	$2, %eax
	cmpl	$-1, S_DF(%rbx)
	jne	4f
	or	$DF, %eax
4:	mov	%rax, S_R11(%rbx)
	mov	S_RIP(%rbx), %rcx
	add	$2, %rcx
	mov	%rcx, S_RCX(%rbx)

	mov	STAR+4(%rbx), %ecx
	and	$0xfffc, %ecx
	xor	%edx, %edx
	mov	%ecx, S_CS(%rbx)
	mov	%rdx, S_CS+8(%rbx)
	movl	$-1, S_CS+16(%rbx)
	movl	$0x00af9b00, S_CS+20(%rbx)
	add	$8, %ecx
	mov	%ecx, S_SS(%rbx)
	mov	%rdx, S_SS+8(%rbx)
	movl	$-1, S_SS+16(%rbx)
	movl	$0x00cf9300, S_SS+20(%rbx)
	mov	S_HFLAGS(%rbx), %ecx
	and	$~0x4b, %ecx			/* CPL, STI's shadow, ADDSEG */
	or	$0x30, %ecx			/* CS32, SS32 */
	mov	%ecx, S_HFLAGS(%rbx)

	mov	SFMASK(%rbx), %rcx
	not	%rcx
	and	%rcx, %rax
	mov	%eax, %ecx
	and	$ARITHMETIC, %ecx
	mov	%rcx, S_CC_SRC(%rbx)
	movl	$1, S_CC_OP(%rbx)
	mov	$1, %ecx
	test	$DF, %eax
	jz	5f
	neg	%ecx
5:	mov	%ecx, S_DF(%rbx)
	and	$~(ARITHMETIC | DF), %rax
	or	$2, %rax
	mov	%rax, S_EFLAGS(%rbx)
	mov	LSTAR(%rbx), %rcx
	sub	$2, %rcx			/* the engine adds the instruction's length */
	mov	%rcx, S_RIP(%rbx)
	pop	%rbx
	ret
	.globl	syscall_end
syscall_end:
