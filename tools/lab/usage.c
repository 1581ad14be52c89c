/*
 * usage COMMAND...: runs a command, and writes what it and the children it waited for have used to descriptor 3 once it has
 * ended, as one JSON line: {"cpuSeconds", "maxRssKiB", "status"}. Of memory it is the largest process's. SIGTERM goes on to
 * the command, SIGINT kills it; what it leaves behind is killed. Linux.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t child;

static void pass_on(int signal) {
  if (child > 0) kill(-child, signal == SIGINT ? SIGKILL : signal);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: usage COMMAND...\n");
    return 2;
  }
  signal(SIGTERM, pass_on);
  signal(SIGINT, pass_on);
  pid_t parent = getpid();
  child = fork();
  if (child < 0) return perror("usage: fork"), 1;
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    setpgid(0, 0);
    close(3);
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    _exit(127);
  }
  setpgid(child, child);
  int status = 0;
  struct rusage used;
  while (wait4(child, &status, 0, &used) < 0);
  kill(-child, SIGKILL);
  double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  dprintf(3, "{\"cpuSeconds\":%.6f,\"maxRssKiB\":%ld,\"status\":%d}\n", cpu, used.ru_maxrss, code);
  return code;
}
