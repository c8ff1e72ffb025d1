/* See child.h. */
#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

void die(const char *what)
{
    fprintf(stderr, "driver: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(2);
}

double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

void *grow(void *old, size_t bytes)
{
    void *p = realloc(old, bytes);
    if (!p)
        die("no memory");
    return p;
}

/* posix_spawn, not fork: the cost must not depend on how many requests the driver holds. */
pid_t spawn(char *const argv[], int in, int out, int new_session)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (in >= 0)
        posix_spawn_file_actions_adddup2(&actions, in, 0);
    else
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&actions, out, 1);
    else
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (new_session)
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    errno = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
    if (errno)
        die(argv[0]);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return pid;
}

static void attach(struct child *c, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    c->pid = 0;
    c->in = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->in < 0 || connect(c->in, (struct sockaddr *)&address, sizeof address))
        die(path);
    c->out = c->in;
}

void child_start(struct child *c, char *const argv[])
{
    int to[2], from[2];

    c->begin = c->end = 0;
    if (strncmp(argv[0], "unix:", 5) == 0) {
        attach(c, argv[0] + 5);
        return;
    }
    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
        die("pipe");
    c->in = to[1];
    c->out = from[0];
    c->pid = spawn(argv, to[0], from[1], 0);
    close(to[0]);
    close(from[1]);
}

void child_send(struct child *c, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(c->in, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die("the child does not read");
        data += n;
        len -= (size_t)n;
    }
}

void child_fill(struct child *c)
{
    if (c->begin > 0) {
        memmove(c->buffer, c->buffer + c->begin, c->end - c->begin);
        c->end -= c->begin;
        c->begin = 0;
    }
    if (c->end == sizeof c->buffer) {
        errno = 0;
        die("a reply is too long");
    }
    ssize_t n = read(c->out, c->buffer + c->end, sizeof c->buffer - c->end);
    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0) {
        errno = 0;
        die("the child ended without an answer");
    }
    c->end += (size_t)n;
}

/* What is no final reply: a row of a listing, a line of Dovecot's greeting. */
static int is_passed_over(const struct child *c, const char *line)
{
    static const char *const greeting[] = {"VERSION\t", "MECH\t", "SPID\t", "CUID\t", "COOKIE\t", "DONE"};

    if (c->pid > 0)
        return strncmp(line, "+DATA", 5) == 0;
    for (size_t i = 0; i < sizeof greeting / sizeof *greeting; i++)
        if (strncmp(line, greeting[i], strlen(greeting[i])) == 0)
            return 1;
    return 0;
}

char *child_reply_buffered(struct child *c)
{
    for (;;) {
        char *line = c->buffer + c->begin;
        char *end = memchr(line, '\n', c->end - c->begin);
        if (!end)
            return NULL;
        *end = '\0';
        c->begin = (size_t)(end + 1 - c->buffer);
        if (!is_passed_over(c, line))
            return line;
    }
}

char *child_reply(struct child *c)
{
    char *line;
    while (!(line = child_reply_buffered(c)))
        child_fill(c);
    return line;
}

static FILE *open_proc(const struct child *c, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)c->pid, name);
    FILE *f = fopen(path, "re");
    if (!f)
        die(path);
    return f;
}

void child_weigh(const struct child *c, struct memory *m)
{
    char line[256];
    long kb;

    memset(m, 0, sizeof *m);
    if (c->pid == 0)
        return;
    FILE *f = open_proc(c, "status");
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1)
            m->peak_kb = kb;
    fclose(f);
    f = open_proc(c, "smaps_rollup");
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "Rss: %ld", &kb) == 1)
            m->rss_kb = kb;
        else if (sscanf(line, "Pss: %ld", &kb) == 1)
            m->pss_kb = kb;
        else if (sscanf(line, "Private_Clean: %ld", &kb) == 1 || sscanf(line, "Private_Dirty: %ld", &kb) == 1)
            m->private_kb += kb;
        else if (sscanf(line, "Anonymous: %ld", &kb) == 1)
            m->anonymous_kb = kb;
    }
    fclose(f);
}

void child_end(struct child *c)
{
    close(c->in);
    if (c->pid == 0)
        return;
    close(c->out);
    for (int waited_ms = 0; waited_ms < 5000; waited_ms++) {
        if (waitpid(c->pid, NULL, WNOHANG) != 0)
            return;
        usleep(1000);
    }
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
}
