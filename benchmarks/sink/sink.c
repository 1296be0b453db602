/* A light SMTP sink: takes every letter, keeps none, and can say how many came, from whom and to whom.
 *
 * sink [-d MILLISECONDS] [-l LOG] [-n]
 *   -d  wait so long before each reply (a server that far away)
 *   -l  write "sender recipient" for each letter that was accepted
 *   -n  offer no extensions
 * Prints "listening PORT" (127.0.0.1, any free port). On standard input: "report" answers with one line of JSON,
 * "reset" begins to count anew; the end of standard input ends the sink.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_SIZE = 65536, REPLY_SIZE = 4096, ADDRESS_SIZE = 512, EVENTS = 128 };

struct client {
    int fd;
    bool in_data, closing;
    int pending;                 /* replies that wait for their moment */
    size_t held;                 /* bytes in `input` */
    size_t reply_size;
    char sender[ADDRESS_SIZE], recipient[ADDRESS_SIZE];
    char reply[REPLY_SIZE];
    char input[INPUT_SIZE];
};

struct late_reply {
    struct client *client;
    double due;
    bool then_close;
    size_t size;
    struct late_reply *next;
    char bytes[];
};

static int poller;
static double delay_seconds;
static bool offers_extensions = true;
static FILE *log_file;
static struct { long letters, bytes, connections, peak; double first, last; } seen;
static long open_now;
static struct late_reply *first_late, *last_late;

static double now(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (double)moment.tv_sec + (double)moment.tv_nsec / 1e9;
}

static void put(struct client *client, const char *text) {
    size_t size = strlen(text);
    if (client->reply_size + size <= REPLY_SIZE) {
        memcpy(client->reply + client->reply_size, text, size);
        client->reply_size += size;
    }
}

static void drop(struct client *client) {
    if (client->fd >= 0) {
        close(client->fd);       /* leaves the poller by itself */
        open_now--;
        client->fd = -1;
    }
    if (client->pending == 0)
        free(client);
}

static void write_out(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;              /* a client that does not read its replies loses them */
        bytes += written;
        size -= (size_t)written;
    }
}

/* Send what was put, now or after the delay. Returns false when the client is gone. */
static bool answer(struct client *client) {
    if (delay_seconds > 0 && (client->reply_size > 0 || client->closing)) {
        struct late_reply *late = malloc(sizeof *late + client->reply_size);
        if (!late)
            exit(2);
        late->client = client;
        late->due = now() + delay_seconds;
        late->then_close = client->closing;
        late->size = client->reply_size;
        late->next = NULL;
        memcpy(late->bytes, client->reply, client->reply_size);
        if (last_late)
            last_late->next = late;
        else
            first_late = late;
        last_late = late;
        client->pending++;
        client->reply_size = 0;
        return true;
    }
    write_out(client->fd, client->reply, client->reply_size);
    client->reply_size = 0;
    if (client->closing) {
        drop(client);
        return false;
    }
    return true;
}

static void send_late(void) {
    while (first_late && first_late->due <= now()) {
        struct late_reply *late = first_late;
        struct client *client = late->client;
        first_late = late->next;
        if (!first_late)
            last_late = NULL;
        client->pending--;
        if (client->fd >= 0)
            write_out(client->fd, late->bytes, late->size);
        if (late->then_close || client->fd < 0)
            drop(client);
        free(late);
    }
}

static void copy_address(char *target, const char *line) {
    const char *from = strchr(line, '<'), *to = from ? strchr(from, '>') : NULL;
    size_t size = to ? (size_t)(to - from - 1) : 0;
    if (size >= ADDRESS_SIZE)
        size = ADDRESS_SIZE - 1;
    if (size)
        memcpy(target, from + 1, size);
    target[size] = 0;
}

static bool is(const char *line, const char *verb) { return strncasecmp(line, verb, strlen(verb)) == 0; }

static void obey(struct client *client, const char *line) {
    if (is(line, "EHLO")) {
        put(client, offers_extensions ? "250-sink\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"
                                      : "250-sink\r\n250 8BITMIME\r\n");
    } else if (is(line, "HELO")) {
        put(client, "250 sink\r\n");
    } else if (is(line, "MAIL FROM:")) {
        copy_address(client->sender, line);
        client->recipient[0] = 0;
        put(client, "250 2.1.0 Ok\r\n");
    } else if (is(line, "RCPT TO:")) {
        copy_address(client->recipient, line);
        put(client, "250 2.1.5 Ok\r\n");
    } else if (is(line, "DATA")) {
        client->in_data = client->recipient[0] != 0;
        put(client, client->in_data ? "354 Go on\r\n" : "554 5.5.1 No recipient\r\n");
    } else if (is(line, "RSET") || is(line, "NOOP")) {
        put(client, "250 2.0.0 Ok\r\n");
    } else if (is(line, "QUIT")) {
        put(client, "221 2.0.0 Bye\r\n");
        client->closing = true;
    } else {
        put(client, "500 5.5.2 Unknown\r\n");
    }
}

static void accept_letter(struct client *client) {
    seen.last = now();
    if (!seen.letters++)
        seen.first = seen.last;
    if (log_file)
        fprintf(log_file, "%s %s\n", client->sender, client->recipient);
    client->in_data = false;
    client->recipient[0] = 0;
    put(client, "250 2.0.0 Taken\r\n");
}

/* Work through what came; whatever is no whole line or no whole letter stays for the next time. */
static void digest(struct client *client) {
    char *at = client->input, *end = client->input + client->held;
    while (at < end && !client->closing) {
        if (!client->in_data) {
            char *line_end = memchr(at, '\n', (size_t)(end - at));
            if (!line_end)
                break;
            *line_end = 0;
            obey(client, at);
            at = line_end + 1;
            continue;
        }
        char *dot = memmem(at, (size_t)(end - at), "\r\n.\r\n", 5);
        if (dot) {
            seen.bytes += dot + 2 - at;
            at = dot + 5;
            accept_letter(client);
            continue;
        }
        if (end - at > 4) {      /* the mark may begin in the last four bytes */
            seen.bytes += end - 4 - at;
            at = end - 4;
        }
        break;
    }
    client->held = (size_t)(end - at);
    memmove(client->input, at, client->held);
}

static void hear(struct client *client) {
    ssize_t size = read(client->fd, client->input + client->held, INPUT_SIZE - client->held);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        drop(client);
        return;
    }
    client->held += (size_t)size;
    digest(client);
    if (client->held == INPUT_SIZE)
        client->closing = true;  /* a line without an end */
    answer(client);
}

static void greet(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        struct client *client = calloc(1, sizeof *client);
        if (!client)
            exit(2);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        client->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        seen.connections++;
        if (++open_now > seen.peak)
            seen.peak = open_now;
        put(client, "220 sink ESMTP\r\n");
        answer(client);
    }
}

/* One command from whoever started us. */
static void listen_to_owner(void) {
    char line[64];
    if (!fgets(line, sizeof line, stdin))
        exit(0);
    if (is(line, "report")) {
        printf("{\"letters\": %ld, \"bytes\": %ld, \"connections\": %ld, \"peak\": %ld, \"seconds\": %.6f}\n",
               seen.letters, seen.bytes, seen.connections, seen.peak, seen.last - seen.first);
    } else if (is(line, "reset")) {
        memset(&seen, 0, sizeof seen);
        seen.peak = open_now;
        puts("{}");
    }
    if (log_file)
        fflush(log_file);
    fflush(stdout);
}

static int open_listener(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&address, &size)) {
        perror("sink");
        exit(1);
    }
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **words) {
    int option;
    while ((option = getopt(count, words, "d:l:n")) != -1) {
        if (option == 'd')
            delay_seconds = atof(optarg) / 1000;
        else if (option == 'l')
            log_file = fopen(optarg, "w");
        else if (option == 'n')
            offers_extensions = false;
        else
            return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdin, NULL, _IONBF, 0);
    poller = epoll_create1(EPOLL_CLOEXEC);
    int listener = open_listener(), owner = STDIN_FILENO;
    struct epoll_event from_listener = {.events = EPOLLIN, .data.ptr = &listener};
    struct epoll_event from_owner = {.events = EPOLLIN, .data.ptr = &owner};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &from_listener);
    epoll_ctl(poller, EPOLL_CTL_ADD, owner, &from_owner);
    for (;;) {
        struct epoll_event events[EVENTS];
        int patience = -1;
        if (first_late) {
            double left = first_late->due - now();
            patience = left <= 0 ? 0 : (int)(left * 1000) + 1;
        }
        int ready = epoll_wait(poller, events, EVENTS, patience);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == &listener)
                greet(listener);
            else if (events[i].data.ptr == &owner)
                listen_to_owner();
            else
                hear(events[i].data.ptr);
        }
        send_late();
    }
}
