/*
 * stream: one file over one connection of the kernel's TCP, and which controller really sends it. Linux.
 *
 *   stream sink PORT FILE|-                         prints "ready", then {"received"} at the end or at SIGTERM
 *   stream source ADDRESS PORT CONTROLLER FILE|-    prints {"controller"} as the socket has it, before and after; - sends on and on
 *
 * Buffers grow to 64 MiB, as on a host that is set up for long paths. The controller is set once the connection is there: one
 * that a route names replaces what was set before. Exit code 1: the kernel refused it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (256 * 1024)

static volatile sig_atomic_t ended;

static void die(const char *what) {
  fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void end(int signal) {
  (void)signal;
  ended = 1;
}

static void set(const char *path, const char *text) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, text, strlen(text)) < 0) die(path);
  close(file);
}

/* Of this network namespace. */
static void grow_buffers(void) {
  set("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 67108864");
  set("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 67108864");
}

static int sink(const char *port, const char *path) {
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  int output = !strcmp(path, "-") ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1)) die("listen");
  printf("ready\n");
  fflush(stdout);
  int from = accept(listener, NULL, NULL);
  static char data[CHUNK];
  long long received = 0;
  while (from >= 0 && !ended) {
    ssize_t length = recv(from, data, sizeof data, 0);
    if (length < 0 && errno != EINTR) die("recv");
    if (length == 0) break;
    if (length < 0) continue;
    for (ssize_t done = 0, more; output >= 0 && done < length; done += more)
      if ((more = write(output, data + done, (size_t)(length - done))) < 0) die(path);
    received += length;
  }
  printf("{\"received\":%lld}\n", received);
  return 0;
}

static void tell(int to) {
  char name[16] = "";
  socklen_t length = sizeof name;
  if (getsockopt(to, IPPROTO_TCP, TCP_CONGESTION, name, &length)) die("TCP_CONGESTION");
  printf("{\"controller\":\"%.16s\"}\n", name);
  fflush(stdout);
}

static int source(const char *address, const char *port, const char *controller, const char *path) {
  int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, address, &there.sin_addr) != 1) die(address);
  if (connect(to, (struct sockaddr *)&there, sizeof there)) die("connect");
  if (setsockopt(to, IPPROTO_TCP, TCP_CONGESTION, controller, (socklen_t)strlen(controller))) die(controller);
  tell(to);
  if (!strcmp(path, "-")) {
    static char zeros[CHUNK];
    while (send(to, zeros, sizeof zeros, MSG_NOSIGNAL) > 0);
    return 0;
  }
  int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat about;
  if (file < 0 || fstat(file, &about)) die(path);
  for (off_t at = 0; at < about.st_size;)
    if (sendfile(to, file, &at, CHUNK) <= 0) die("sendfile");
  tell(to);
  shutdown(to, SHUT_WR);
  char end;
  while (recv(to, &end, 1, 0) > 0);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && !strcmp(argv[1], "sink")) return grow_buffers(), sink(argv[2], argv[3]);
  if (argc == 6 && !strcmp(argv[1], "source")) return grow_buffers(), source(argv[2], argv[3], argv[4], argv[5]);
  fprintf(stderr, "usage: stream sink PORT FILE|- | stream source ADDRESS PORT CONTROLLER FILE|-\n");
  return 2;
}
