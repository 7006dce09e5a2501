/* The guests' main(): runs behaviours one by one, each isolated. */

KEEP struct entry *guest_find(struct entry *list, const char *name)
{
    while (list && strcmp(list->name, name))
        list = list->next;
    return list;
}

KEEP void guest_enter(struct entry *e)
{
    char head[128];
    guest_name = e->name;
    mkdir(e->name, 0755);
    if (chdir(e->name) == -1)
        _exit(97);
    alarm(guest_limit);
    guest_write(head, snprintf(head, sizeof head, "%s:", e->name));
    e->body();
}

static volatile sig_atomic_t guest_late;

KEEP void guest_on_alarm(int signo)
{
    guest_late = signo;
}

/* Run in a child, then end its line with whatever went wrong. */
KEEP void guest_isolate(struct entry *e)
{
    char tail[128] = "\n";
    int status;
    pid_t got, pid = fork();
    if (pid == -1) {
        guest_write(tail, snprintf(tail, sizeof tail, "%s: [fork: %s]\n",
                                   e->name, errname(errno)));
        return;
    }
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        guest_enter(e);
        _exit(0);
    }
    guest_late = 0;
    alarm(guest_limit + 2);     /* after the child's own: it blocked SIGALRM */
    while ((got = waitpid(pid, &status, 0)) == -1 && errno == EINTR)
        if (guest_late)
            kill(pid, SIGKILL);
    alarm(0);
    kill(-pid, SIGKILL);        /* helpers that a failed behaviour left */
    int n = 1;
    if (got == -1)
        n = snprintf(tail, sizeof tail, " [wait: %s]\n", errname(errno));
    else if (guest_late)
        n = snprintf(tail, sizeof tail, " [hung]\n");
    else if (WIFSIGNALED(status))
        n = snprintf(tail, sizeof tail, " [killed by %s]\n",
                     signame(WTERMSIG(status)));
    else if (status != 0)
        n = snprintf(tail, sizeof tail, " [%s]\n", status_text(status));
    guest_write(tail, n);
}

KEEP int guest_role(void)
{
    struct entry *e = guest_find(guest_roles, guest_argv[1] + 1);
    if (!e) {
        say("[no role %s]", guest_argv[1]);
        return 2;
    }
    alarm(guest_limit);
    e->body();
    return 0;
}

int main(int argc, char **argv)
{
    struct sigaction act = {.sa_handler = guest_on_alarm};
    guest_argc = argc;
    guest_argv = argv;
    guest_self = argv[0];
    int first = 1;
    if (argc > 1 && argv[1][0] == '@')
        return guest_role();
    if (argc > 2 && !strcmp(argv[1], "--limit")) {
        guest_limit = atoi(argv[2]);
        first = 3;
    }
    if (argc > first && !strcmp(argv[first], "--list")) {
        for (struct entry *e = guest_list; e; e = e->next)
            puts(e->name);
        return 0;
    }
    umask(022);
    if (argc == first + 1) {
        struct entry *e = guest_find(guest_list, argv[first]);
        if (!e)
            return 2;
        guest_enter(e);
        guest_write("\n", 1);
        return 0;
    }
    sigaction(SIGALRM, &act, NULL);
    for (struct entry *e = guest_list; e; e = e->next) {
        int wanted = argc == first;
        for (int i = first; i < argc; i++)
            wanted |= !strcmp(argv[i], e->name);
        if (wanted)
            guest_isolate(e);
    }
    return 0;
}
