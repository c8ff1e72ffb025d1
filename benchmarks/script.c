/* See script.h. */
#define _GNU_SOURCE
#include "script.h"
#include "child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SECTIONS = 64 };

static struct section sections[MAX_SECTIONS];
static size_t section_count;

static struct section *section_of(const char *tag, size_t len)
{
    for (size_t i = 0; i < section_count; i++)
        if (strlen(sections[i].tag) == len && memcmp(sections[i].tag, tag, len) == 0)
            return &sections[i];
    errno = 0;
    if (section_count == MAX_SECTIONS || len >= sizeof sections[0].tag)
        die("too many or too long tags");
    memcpy(sections[section_count].tag, tag, len);
    return &sections[section_count++];
}

static char *read_all(const char *path, size_t *len)
{
    FILE *f = fopen(path ? path : "", "re");
    if (!f || fseek(f, 0, SEEK_END))
        die("requests");
    *len = (size_t)ftell(f);
    rewind(f);
    char *data = grow(NULL, *len + 1);
    if (fread(data, 1, *len, f) != *len)
        die("requests");
    fclose(f);
    data[*len] = '\0';
    return data;
}

/* The next column: up to a tab or, with its line end, to the end of the line. */
static const char *column(char **at, char *line_end, size_t *len)
{
    char *begin = *at, *tab = memchr(begin, '\t', (size_t)(line_end - begin));
    *len = (size_t)((tab ? tab : line_end) - begin);
    *at = tab ? tab + 1 : line_end;
    return begin;
}

void script_load(struct script *s, const char *path)
{
    size_t len, tag_len, room = 0;
    char *data = read_all(path, &len);

    s->requests = NULL;
    s->count = 0;
    for (char *line = data, *end; (end = memchr(line, '\n', len - (size_t)(line - data))) != NULL; line = end + 1) {
        char *at = line;
        if (s->count == room)
            s->requests = grow(s->requests, (room = room ? room * 2 : 1024) * sizeof *s->requests);
        struct request *r = &s->requests[s->count++];
        const char *tag = column(&at, end, &tag_len);
        r->section = section_of(tag, tag_len);
        r->expect = column(&at, end, &r->expect_len);
        r->text = column(&at, end, &r->text_len);
        r->append = at;
        r->append_len = (size_t)(end - at);
        if (r->append_len) {
            r->append_len++;
            ((char *)data)[r->text + r->text_len - data] = '\n';
        }
        for (char *p = (char *)r->text; p < r->text + r->text_len; p++)
            *p = *p == '\x1f' ? '\t' : *p == '\x1e' ? '\n' : *p;
        if (r->text_len)
            r->text_len++;
    }
    errno = 0;
    if (s->count == 0)
        die("no requests");
}

int expected(const struct request *r, const char *reply)
{
    return strncmp(reply, r->expect, r->expect_len) == 0;
}

void record(const struct request *r, double us, const char *reply)
{
    struct section *s = r->section;
    if (s->count == s->room)
        s->us = grow(s->us, (s->room = s->room ? s->room * 2 : 1024) * sizeof *s->us);
    s->us[s->count++] = us;
    if (reply && !expected(r, reply) && s->wrong++ == 0) {
        snprintf(s->sample, sizeof s->sample, "%s", reply);
        for (char *p = s->sample; *p; p++)
            if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\')
                *p = '?';
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nearest rank. */
static double quantile(const double *sorted, size_t count, double q)
{
    size_t rank = (size_t)(q * (double)count);
    return sorted[rank < count ? rank : count - 1];
}

void script_report(void)
{
    const char *comma = "";
    printf("\"sections\": {");
    for (size_t i = 0; i < section_count; i++) {
        struct section *s = &sections[i];
        if (s->count == 0)
            continue;
        double first = s->us[0];
        qsort(s->us, s->count, sizeof *s->us, ascending);
        printf("%s\"%s\": {\"count\": %zu, \"first_us\": %.2f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f, "
               "\"wall_us\": %.1f, \"wrong\": %zu, \"sample\": \"%s\"}",
               comma, s->tag, s->count, first, quantile(s->us, s->count, 0.5), quantile(s->us, s->count, 0.99),
               s->us[s->count - 1], s->wall_us, s->wrong, s->sample);
        comma = ", ";
    }
    printf("}");
}
