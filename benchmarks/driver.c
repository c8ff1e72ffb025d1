/* Spawns a helper, asks it requests, times each answer with the monotonic clock, prints JSON.

   driver run      [options] -- COMMAND...                 wall time and peak memory of a whole process, and of helpers that it leaves
   driver session  [options] -- COMMAND... [-- COMPANION]  one child, the requests in order
   driver parallel [options] -- COMMAND...                 --children N, the requests dealt out in turn

   --core N  pin driver and child        --requests FILE  see script.h for its form
   --timeout S                           --gap-us N       rest before each request
   --append-to FILE  --bump              where a request's foreign line goes; move its mtime by a second
   --floor FILE      where a bare append + fdatasync goes
   --watch FILE      after the requests, wait until this file exists and rests

   A command `unix:PATH` is no child but the socket of a running service: no memory is weighed.
   With a companion all requests but the first are repeated until it ends; it is not pinned, and has a session of its own. */
#define _GNU_SOURCE
#include "child.h"
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WINDOW = 64, MAX_CHILDREN = 64 };

static struct {
    int core, timeout_s, children, bump;
    long gap_us;
    const char *requests, *append_to, *floor, *watch;
    cpu_set_t all_cores;
} opt = {.core = -1, .timeout_s = 300, .children = 1};

static struct child children[MAX_CHILDREN];
static int started;
static pid_t other; /* the companion, or the process of `run`, while it lives */

static void kill_other(void)
{
    if (other > 0)
        kill(other, SIGKILL);
}

static void on_alarm(int signal)
{
    static const char text[] = "driver: time is up\n";
    (void)signal;
    for (int i = 0; i < started; i++)
        if (children[i].pid > 0)
            kill(children[i].pid, SIGKILL);
    kill_other();
    (void)!write(2, text, sizeof text - 1);
    _exit(3);
}

static void pin(void)
{
    cpu_set_t one;
    if (opt.core < 0)
        return;
    CPU_ZERO(&one);
    CPU_SET(opt.core, &one);
    if (sched_setaffinity(0, sizeof one, &one))
        die("sched_setaffinity");
}

/* A foreign hand: open, append, close, as an editor or a script would. */
static void append_line(const struct request *r)
{
    struct stat st;
    int fd = open(opt.append_to ? opt.append_to : "", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st) || write(fd, r->append, r->append_len) != (ssize_t)r->append_len)
        die("append");
    if (opt.bump) {
        struct timespec times[2] = {st.st_atim, {.tv_sec = st.st_mtim.tv_sec + 1}};
        if (futimens(fd, times))
            die("futimens");
    }
    close(fd);
}

/* The bare durable append that a `set` is measured against. */
static double floor_append(const struct request *r)
{
    static int fd = -1;
    if (fd < 0 && (fd = open(opt.floor ? opt.floor : "", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0)
        die("floor");
    double t = now_us();
    if (write(fd, r->append, r->append_len) != (ssize_t)r->append_len || fdatasync(fd))
        die("floor");
    return now_us() - t;
}

/* The answers before a foreign line is seen are not wrong: ask until it is. */
static double until_seen(struct child *c, const struct request *r)
{
    double t = now_us();
    append_line(r);
    do
        child_send(c, r->text, r->text_len);
    while (!expected(r, child_reply(c)));
    return now_us() - t;
}

static void ask(struct child *c, const struct request *r)
{
    if (opt.gap_us)
        usleep((useconds_t)opt.gap_us);
    if (r->text_len == 0) {
        record(r, floor_append(r), NULL);
    } else if (r->append_len) {
        record(r, until_seen(c, r), NULL);
    } else {
        double t = now_us();
        child_send(c, r->text, r->text_len);
        char *reply = child_reply(c);
        record(r, now_us() - t, reply);
    }
}

/* At most WINDOW requests in flight; what fits is sent by one write. */
static void ask_pipelined(struct child *c, const struct script *s, size_t begin, size_t end)
{
    static char batch[WINDOW * 8192];
    size_t sent = begin, seen = begin;
    double t = now_us();

    while (seen < end) {
        size_t len = 0;
        for (; sent < end && sent - seen < WINDOW; sent++) {
            memcpy(batch + len, s->requests[sent].text, s->requests[sent].text_len);
            len += s->requests[sent].text_len;
        }
        child_send(c, batch, len);
        child_fill(c);
        for (char *reply; seen < sent && (reply = child_reply_buffered(c)) != NULL; seen++)
            record(&s->requests[seen], 0, reply);
    }
    s->requests[begin].section->wall_us += now_us() - t;
}

static void play(struct child *c, const struct script *s, size_t begin)
{
    for (size_t i = begin; i < s->count;) {
        const struct section *section = s->requests[i].section;
        size_t end = i + 1;
        if (section->tag[0] == '=') {
            while (end < s->count && s->requests[end].section == section)
                end++;
            ask_pipelined(c, s, i, end);
        } else {
            ask(c, &s->requests[i]);
        }
        i = end;
    }
}

/* When the watched file last changed before it rested for 300 ms, or -1. */
static double watch(double started_us)
{
    struct stat now, last = {0};
    double changed = -1;
    for (;;) {
        double t = now_us();
        if (t - started_us > opt.timeout_s * 0.9e6)
            return -1;
        if (stat(opt.watch, &now) == 0 && (now.st_ino != last.st_ino || now.st_size != last.st_size ||
                                           now.st_mtim.tv_nsec != last.st_mtim.tv_nsec)) {
            last = now;
            changed = t - started_us;
        }
        if (changed >= 0 && t - started_us - changed > 300e3)
            return changed;
        usleep(1000);
    }
}

static void with_companion(struct child *c, const struct script *s, char *argv[])
{
    struct rusage usage;
    int status;

    if (sched_setaffinity(0, sizeof opt.all_cores, &opt.all_cores))
        die("sched_setaffinity");
    double t = now_us();
    other = spawn(argv, -1, -1, 1);
    pin();
    fprintf(stderr, "companion %d\n", (int)other);
    for (size_t i = 1; wait4(other, &status, WNOHANG, &usage) == 0; i = i + 1 < s->count ? i + 1 : 1)
        ask(c, &s->requests[i]);
    other = 0;
    printf("\"companion_us\": %.1f, \"companion_peak_kb\": %ld, \"companion_status\": %d, ", now_us() - t,
           usage.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

static void session(char *argv[], char *companion[])
{
    struct script s;
    struct memory m;
    struct child *c = &children[0];

    script_load(&s, opt.requests);
    errno = 0;
    if (companion && s.count < 2)
        die("a companion wants requests beside the first");
    double t = now_us();
    child_start(c, argv);
    started = 1;
    child_send(c, s.requests[0].text, s.requests[0].text_len);
    char *reply = child_reply(c);
    double start_us = now_us() - t;
    record(&s.requests[0], start_us, reply);
    printf("{\"start_us\": %.2f, ", start_us);
    if (companion)
        with_companion(c, &s, companion);
    else
        play(c, &s, 1);
    if (opt.watch)
        printf("\"watch_us\": %.1f, ", watch(t));
    child_weigh(c, &m);
    printf("\"memory\": {\"rss_kb\": %ld, \"pss_kb\": %ld, \"private_kb\": %ld, \"anonymous_kb\": %ld, "
           "\"peak_kb\": %ld}, ",
           m.rss_kb, m.pss_kb, m.private_kb, m.anonymous_kb, m.peak_kb);
    script_report();
    printf("}\n");
    child_end(c);
}

/* Child k has the requests k, k + N, k + 2N...; one request in flight for each child. */
static void parallel(char *argv[])
{
    struct script s;
    struct pollfd fds[MAX_CHILDREN];
    size_t at[MAX_CHILDREN];
    double sent[MAX_CHILDREN];
    size_t n = (size_t)opt.children, left;

    script_load(&s, opt.requests);
    if (n < 1 || n > MAX_CHILDREN || s.count < n * 2)
        die("wants more requests than twice the children");
    for (size_t k = 0; k < n; k++) { /* the first request of each is its start, and is not counted */
        child_start(&children[k], argv);
        started = (int)k + 1;
        child_send(&children[k], s.requests[k].text, s.requests[k].text_len);
        child_reply(&children[k]);
        fds[k] = (struct pollfd){.fd = children[k].out, .events = POLLIN};
    }
    left = s.count - n;
    double t = now_us();
    for (size_t k = 0; k < n; k++) {
        at[k] = k + n;
        sent[k] = now_us();
        child_send(&children[k], s.requests[at[k]].text, s.requests[at[k]].text_len);
    }
    while (left > 0) {
        if (poll(fds, n, -1) < 0 && errno != EINTR)
            die("poll");
        for (size_t k = 0; k < n; k++) {
            if (!(fds[k].revents & (POLLIN | POLLHUP)))
                continue;
            char *reply = child_reply(&children[k]);
            record(&s.requests[at[k]], now_us() - sent[k], reply);
            left--;
            at[k] += n;
            if (at[k] < s.count) {
                sent[k] = now_us();
                child_send(&children[k], s.requests[at[k]].text, s.requests[at[k]].text_len);
            } else {
                fds[k].fd = -1;
            }
        }
    }
    printf("{\"wall_us\": %.1f, \"count\": %zu, ", now_us() - t, s.count - n);
    script_report();
    printf("}\n");
    for (size_t k = 0; k < n; k++)
        child_end(&children[k]);
}

static void run(char *argv[])
{
    struct rusage usage;
    int status;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1))
        die("prctl");
    double t = now_us();
    other = spawn(argv, -1, -1, 0);
    if (wait4(other, &status, 0, &usage) != other)
        die("wait4");
    double wall_us = now_us() - t;
    long peak_kb = usage.ru_maxrss;
    other = 0;
    while (wait4(-1, NULL, 0, &usage) > 0) /* its helpers: at most, the peaks of all came together */
        peak_kb += usage.ru_maxrss;
    printf("{\"wall_us\": %.2f, \"peak_kb\": %ld, \"status\": %d}\n", wall_us, peak_kb,
           WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void options(int argc, char *argv[])
{
    static const struct option known[] = {
        {"core", 1, NULL, 'c'},    {"timeout", 1, NULL, 't'},   {"requests", 1, NULL, 'r'}, {"children", 1, NULL, 'n'},
        {"gap-us", 1, NULL, 'g'},  {"append-to", 1, NULL, 'a'}, {"floor", 1, NULL, 'f'},    {"bump", 0, NULL, 'b'},
        {"watch", 1, NULL, 'w'},   {NULL, 0, NULL, 0},
    };
    for (int o; (o = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
        switch (o) {
        case 'c': opt.core = atoi(optarg); break;
        case 't': opt.timeout_s = atoi(optarg); break;
        case 'r': opt.requests = optarg; break;
        case 'n': opt.children = atoi(optarg); break;
        case 'g': opt.gap_us = atol(optarg); break;
        case 'a': opt.append_to = optarg; break;
        case 'f': opt.floor = optarg; break;
        case 'b': opt.bump = 1; break;
        case 'w': opt.watch = optarg; break;
        default: exit(2);
        }
    }
}

int main(int argc, char *argv[])
{
    if (argc < 2)
        die("wants a mode: run, session or parallel");
    const char *mode = argv[1];
    options(argc - 1, argv + 1);
    char **command = argv + 1 + optind, **companion = NULL;
    for (char **word = command; *word; word++)
        if (strcmp(*word, "--") == 0) {
            *word = NULL;
            companion = word + 1;
            break;
        }
    if (!*command)
        die("wants a command");
    atexit(kill_other);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, on_alarm);
    alarm((unsigned)opt.timeout_s);
    sched_getaffinity(0, sizeof opt.all_cores, &opt.all_cores);
    pin();
    if (strcmp(mode, "run") == 0)
        run(command);
    else if (strcmp(mode, "session") == 0)
        session(command, companion);
    else if (strcmp(mode, "parallel") == 0)
        parallel(command);
    else
        die("wants a mode: run, session or parallel");
    return 0;
}
