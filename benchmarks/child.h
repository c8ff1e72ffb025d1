/* A helper on a pair of pipes: spawn it, speak lines with it, weigh it. */
#ifndef CHILD_H
#define CHILD_H

#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid;              /* 0: a service that was running already */
    int in, out;            /* our ends: we write to in, read from out */
    size_t begin, end;      /* what of buffer is not yet consumed */
    char buffer[1 << 16];
};

struct memory {
    long rss_kb, pss_kb, private_kb, anonymous_kb, peak_kb; /* peak: of rss, so far */
};

double now_us(void);
void die(const char *what) __attribute__((noreturn));
void *grow(void *old, size_t bytes);

pid_t spawn(char *const argv[], int in, int out, int new_session);
/* A command, or `unix:PATH`: the socket of a running service. */
void child_start(struct child *c, char *const argv[]);
void child_send(struct child *c, const char *data, size_t len);
/* The next final reply, its line end replaced by NUL; +DATA lines, and what a service says first, are passed over. */
char *child_reply(struct child *c);
/* The same if it has arrived already, else NULL. */
char *child_reply_buffered(struct child *c);
/* Read once, waiting for bytes. */
void child_fill(struct child *c);
void child_weigh(const struct child *c, struct memory *m);
/* Close its stdin, and give it a few seconds to leave. */
void child_end(struct child *c);

#endif
