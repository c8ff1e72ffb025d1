/* The floor: a child that answers each request line with one short line, doing nothing else. */
#include <string.h>
#include <unistd.h>

int main(void)
{
    static const char reply[] = "OK\n";
    static char in[65536], out[sizeof in * 3];
    ssize_t got;

    while ((got = read(0, in, sizeof in)) > 0) {
        size_t len = 0;
        for (const char *p = in; (p = memchr(p, '\n', (size_t)(in + got - p))) != NULL; p++) {
            memcpy(out + len, reply, 3);
            len += 3;
        }
        for (size_t done = 0; done < len;) {
            ssize_t n = write(1, out + done, len - done);
            if (n <= 0)
                return 1;
            done += (size_t)n;
        }
    }
    return 0;
}
