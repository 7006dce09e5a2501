/* What the shim and the kernel (machine/native/protocol.py) agree on. */
#define SHIM_TEXT   0x6e0000000000UL
#define SLOTS       0x6d0000000000UL
#define SLOT_SIZE   0x10000UL
#define SLOT_STACK  0x4000UL   /* alternate stack: from here to the end of the slot */
#define MAX_CMDS    180

#define DOORBELL    110        /* getppid: allowed by every sane outer filter */
#define MAGIC       0x5233000000000000UL
#define REPLY_RUN     0x5233000100000000L  /* run the command list, then report */
#define REPLY_RESUME  0x5233000200000000L  /* the frame was rewritten: just return */
#define REPLY_ERROR   0x52330003L          /* upper half; lower half is the errno */
#define REPLY_ENTER   0x5233000400000000L  /* boot: return into the frame at slot->frame */

enum { K_BOOT = 1, K_DONE = 2, K_CHILD = 3, K_SIGNAL = 4, K_BYE = 5 };

#define KICK        62         /* host signal that asks a vehicle to enter the kernel */
#define CMD_WAITS   1          /* may sleep: a kick ends it with INTERRUPTED */
#define INTERRUPTED (-512)

struct cmd { long nr, a[6], flags; };
struct slot {
    unsigned long count;       /* commands to run */
    unsigned long frame;       /* REPLY_ENTER: the signal frame to return into */
    unsigned long kicked;      /* a kick came while the shim ran */
    unsigned long selector;    /* syscall user dispatch: 1 routes every call of this thread */
    struct cmd cmds[MAX_CMDS];
};
