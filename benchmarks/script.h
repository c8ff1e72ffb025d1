/* What to ask, what to hear, and what it took.

   A script is a file of lines `tag TAB expected TAB request [TAB line]`. `expected` is what the reply must begin
   with. Requests of one tag form a section and are counted together. A tag that begins with `=` is sent pipelined.
   With a fourth column the line is appended to a file by the driver and the request repeated until it is answered as
   expected; an empty request with a fourth column is a bare durable append of the driver's own.  In a request US (0x1f)
   stands for a tab and RS (0x1e) for a line end. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stddef.h>

struct section {
    char tag[32];
    size_t count, room, wrong;
    double *us;             /* one for each request, in the order asked */
    double wall_us;         /* of a pipelined section */
    char sample[80];        /* the first wrong answer */
};

struct request {
    struct section *section;
    const char *expect, *text, *append; /* text and append with their line ends */
    size_t expect_len, text_len, append_len;
};

struct script {
    struct request *requests;
    size_t count;
};

void script_load(struct script *s, const char *path);
int expected(const struct request *r, const char *reply);
/* Note a time; with a reply, also whether it was right. */
void record(const struct request *r, double us, const char *reply);
/* Prints `"sections": {...}`. */
void script_report(void);

#endif
