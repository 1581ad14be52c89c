/*
 * netlab: network namespaces joined by emulated links, for kernels with or without netem. Linux, root.
 *
 *   netlab hub NODES SEED          makes the namespaces; lives until its standard input ends
 *   netlab exec PID COMMAND...     runs a command in the namespace that process PID holds; rt: at real-time priority
 *
 * The hub gives each namespace one interface, eth0, 10.77.0.(node + 1)/24, which is a TUN device: whatever is sent there
 * is read here, so there is no bridge, no address resolution, and no segmentation or checksum offload to switch off.
 * Each node has two links, up (node to hub) and down (hub to node), and each link is, in this order: a tail-drop queue in
 * front of a serializer, random loss (a lost packet has used the line), and a delay. A packet from A to B takes A's up
 * link, then B's down link; one to a multicast address takes A's up link once, then everyone else's down link, joined or
 * not. Bytes are those of IP packets.
 *
 * Commands, one a line, on standard input; answers, one JSON object a line, on standard output:
 *   link NODE|-1 up|down|both LOSS DELAY_US BITS_PER_SECOND QUEUE_BYTES BURST POLICE
 *       -1 is every node, a rate of 0 is no limit; BURST is the mean number of packets lost in a row, 0 for losses that know
 *       nothing of each other; POLICE is 1 for a link that drops what is beyond its rate and lets nothing wait
 *   stats
 *
 * Nothing outlives it: namespaces without a name end with their last process; holders and commands end with their parent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_NODES 64
#define MAX_PACKET 9216
#define RING 65536 /* packets on one link; a power of two */
#define READS 64   /* packets from one node before the timer is served */
#define TUN_QUEUE 4096
#define STALL 1000000 /* ns: so late is no mere coarseness of timers */
#define NEVER INT64_MAX
#define EVERYONE UINT16_MAX
static const struct sched_param PRIORITY = {.sched_priority = 1};

struct packet {
  int64_t due; /* ns of `now_ns`: when it leaves the link it is on */
  uint32_t length;
  uint16_t source, target;
  uint8_t data[];
};

struct link {
  double loss;   /* 0..1 */
  double burst;  /* packets, 0: independent */
  int in_burst;
  int police;    /* 1: the queue is the depth of a token bucket */
  int64_t delay; /* ns */
  double ns_per_byte;
  int64_t queue;     /* bytes */
  int64_t line_free; /* when the serializer has sent all it was given */
  uint64_t random;
  struct packet *ring[RING];
  uint32_t head, tail;
  uint64_t packets, bytes, lost, dropped, passed;
};

struct node {
  int tun;
  pid_t holder;
  struct link up, down;
  uint64_t delivered[MAX_NODES]; /* bytes from each node */
  uint64_t refused;              /* packets that the interface would not take */
};

static struct node *nodes;
static int count;
static int has_cubic = 1;
static int64_t paused; /* ns by which the links' clock is behind */

static void die(const char *what) {
  fprintf(stderr, "netlab: %s: %s\n", what, strerror(errno));
  exit(1);
}

/*
 * The clock of the links. It stands still while this process is kept from running, so that what falls due meanwhile leaves
 * with its gaps: a pause of the network is some delay, a burst after it would be a full queue.
 */
static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec - paused;
}

/* xorshift64* (Vigna 2014), one state for each link: the k-th packet of a link meets the same fate for one seed. */
static double uniform(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (double)((*state * UINT64_C(0x2545F4914F6CDD1D)) >> 11) / 9007199254740992.0;
}

/* ---- links ---- */

/* In bursts: a chain of two states that loses all in one and nothing in the other (Gilbert 1960), stepped before each packet. */
static int is_lost(struct link *link) {
  if (link->loss <= 0) return 0;
  if (link->burst <= 0) return uniform(&link->random) < link->loss;
  double leave = 1 / link->burst;
  double change = link->in_burst ? leave : leave * link->loss / (1 - link->loss);
  if (uniform(&link->random) < change) link->in_burst = !link->in_burst;
  return link->in_burst;
}

static double backlog(const struct link *link, int64_t now) {
  return link->ns_per_byte > 0 && link->line_free > now ? (double)(link->line_free - now) / link->ns_per_byte : 0;
}

/* Takes over the packet at time `now`. */
static void enter(struct link *link, struct packet *packet, int64_t now) {
  link->packets++;
  link->bytes += packet->length;
  int64_t leaves = now;
  double waiting = backlog(link, now);
  if ((waiting > 0 && waiting + packet->length > (double)link->queue) || link->tail - link->head == RING) {
    link->dropped++;
    free(packet);
    return;
  }
  if (link->ns_per_byte > 0) {
    if (link->line_free < now) link->line_free = now;
    link->line_free += (int64_t)(packet->length * link->ns_per_byte);
    if (!link->police) leaves = link->line_free;
  }
  if (is_lost(link)) {
    link->lost++;
    free(packet);
    return;
  }
  packet->due = leaves + link->delay;
  /* A delay that was shortened meanwhile reorders nothing. */
  if (link->tail != link->head) {
    const struct packet *last = link->ring[(link->tail - 1) % RING];
    if (packet->due < last->due) packet->due = last->due;
  }
  link->ring[link->tail++ % RING] = packet;
}

static int64_t due(const struct link *link) {
  return link->head == link->tail ? NEVER : link->ring[link->head % RING]->due;
}

static int64_t next_due(struct link **which, int *owner) {
  int64_t least = NEVER;
  for (int i = 0; i < count; i++)
    for (int down = 0; down < 2; down++) {
      struct link *link = down ? &nodes[i].down : &nodes[i].up;
      if (due(link) >= least) continue;
      least = due(link);
      *which = link;
      *owner = i;
    }
  return least;
}

/* To everyone but its sender. */
static void enter_all(const struct packet *packet, int64_t now) {
  for (int i = 0; i < count; i++) {
    if (i == packet->source) continue;
    struct packet *copy = malloc(sizeof *copy + packet->length);
    if (!copy) die("malloc");
    memcpy(copy, packet, sizeof *copy + packet->length);
    enter(&nodes[i].down, copy, now);
  }
}

/* Moves on what is due: from up links to down links, from there to the nodes. Returns when more will be. */
static int64_t advance(void) {
  for (;;) {
    struct link *link = NULL;
    int owner = 0;
    int64_t at = next_due(&link, &owner);
    int64_t now = now_ns();
    if (at == NEVER || at > now) return at;
    if (now - at > STALL) paused += now - at;
    struct packet *packet = link->ring[link->head++ % RING];
    link->passed++;
    if (link == &nodes[owner].up) {
      /* By the time it was due, not by the one at which we woke up: delays do not add our own lateness. */
      if (packet->target != EVERYONE) {
        enter(&nodes[packet->target].down, packet, at);
      } else {
        enter_all(packet, at);
        free(packet);
      }
      continue;
    }
    if (write(nodes[owner].tun, packet->data, packet->length) == (ssize_t)packet->length)
      nodes[owner].delivered[packet->source] += packet->length;
    else
      nodes[owner].refused++;
    free(packet);
  }
}

static void read_node(int index) {
  uint8_t data[MAX_PACKET];
  for (int i = 0; i < READS; i++) {
    ssize_t length = read(nodes[index].tun, data, sizeof data);
    if (length < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      die("read");
    }
    if (length < 20 || data[0] >> 4 != 4) continue; /* RFC 791 section 3.1 */
    int is_multicast = data[16] >> 4 == 14; /* RFC 5771 section 3 */
    int target = is_multicast ? EVERYONE : data[19] - 1;
    if (!is_multicast && (target < 0 || target >= count || data[16] != 10 || data[17] != 77 || data[18] != 0)) continue;
    struct packet *packet = malloc(sizeof *packet + (size_t)length);
    if (!packet) die("malloc");
    packet->length = (uint32_t)length;
    packet->source = (uint16_t)index;
    packet->target = (uint16_t)target;
    memcpy(packet->data, data, (size_t)length);
    enter(&nodes[index].up, packet, now_ns());
  }
}

/* ---- namespaces ---- */

static void configure(int control, const char *name, int host) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (host > 0) {
    struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(0x0a4d0000u + (uint32_t)host);
    if (ioctl(control, SIOCSIFADDR, &request)) die("address");
    address->sin_addr.s_addr = htonl(0xffffff00u);
    if (ioctl(control, SIOCSIFNETMASK, &request)) die("netmask");
    request.ifr_qlen = TUN_QUEUE;
    if (ioctl(control, SIOCSIFTXQLEN, &request)) die("queue length");
  }
  request.ifr_flags = IFF_UP | IFF_RUNNING | (host > 0 ? IFF_MULTICAST : 0);
  if (ioctl(control, SIOCSIFFLAGS, &request)) die("up");
}

/* The route to a network of this interface, with a controller for TCP or without. Returns whether the kernel took it. */
static int add_route(const char *device, uint32_t network, uint8_t prefix, const char *controller) {
  struct {
    struct nlmsghdr header;
    struct rtmsg route;
    char attributes[256];
  } request = {
      .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                 .nlmsg_type = RTM_NEWROUTE,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK},
      .route = {.rtm_family = AF_INET, .rtm_dst_len = prefix, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_KERNEL,
                .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST},
  };
  uint32_t subnet = htonl(network), index = if_nametoindex(device);
  struct { uint16_t type; const void *data; uint16_t length; } parts[] = {
      {RTA_DST, &subnet, 4}, {RTA_OIF, &index, 4}, {RTAX_CC_ALGO, controller, controller ? (uint16_t)(strlen(controller) + 1) : 0}};
  for (size_t i = 0; i < (controller ? 3 : 2); i++) {
    struct rtattr *attribute = (struct rtattr *)((char *)&request + NLMSG_ALIGN(request.header.nlmsg_len));
    int nested = i == 2;
    struct rtattr *inner = nested ? RTA_DATA(attribute) : attribute;
    *inner = (struct rtattr){(uint16_t)RTA_LENGTH(parts[i].length), parts[i].type};
    memcpy(RTA_DATA(inner), parts[i].data, parts[i].length);
    if (nested) *attribute = (struct rtattr){(uint16_t)RTA_LENGTH(RTA_ALIGN(inner->rta_len)), RTA_METRICS | NLA_F_NESTED};
    request.header.nlmsg_len = NLMSG_ALIGN(request.header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
  }
  int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  struct { struct nlmsghdr header; struct nlmsgerr error; } answer;
  if (netlink < 0 || send(netlink, &request, request.header.nlmsg_len, 0) < 0) die("route");
  int refused = recv(netlink, &answer, sizeof answer, 0) >= (ssize_t)sizeof answer && answer.error.error;
  close(netlink);
  return !refused;
}

static void open_node(int index, uint64_t seed) {
  struct node *node = &nodes[index];
  if (unshare(CLONE_NEWNET)) die("a new network namespace");
  node->tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (node->tun < 0) die("/dev/net/tun");
  struct ifreq request = {.ifr_name = "eth0", .ifr_flags = IFF_TUN | IFF_NO_PI};
  if (ioctl(node->tun, TUNSETIFF, &request)) die("TUN device");
  int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (control < 0) die("socket");
  configure(control, "lo", 0);
  configure(control, "eth0", index + 1);
  close(control);
  /*
   * TCP to the other nodes uses CUBIC, whatever this machine's default: a namespace may not choose another default, but a
   * route may. It wins over what a socket asks for before it connects. Where the kernel has no CUBIC its default stays.
   */
  if (!add_route("eth0", 0x0a4d0000u, 24, "cubic")) has_cubic = 0;
  if (!add_route("eth0", 0xe0000000u, 4, NULL)) die("multicast route");
  for (int down = 0; down < 2; down++)
    (down ? &node->down : &node->up)->random = (seed * 2 + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)(index * 2 + down + 1) << 32;
  pid_t parent = getpid();
  node->holder = fork();
  if (node->holder < 0) die("fork");
  if (node->holder > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  close(0), close(1);
  for (;;) pause();
}

static int run_in(const char *pid, char **command, int real_time) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int namespace = open(path, O_RDONLY | O_CLOEXEC);
  if (namespace < 0 || setns(namespace, CLONE_NEWNET)) die(path);
  if (real_time && sched_setscheduler(0, SCHED_RR, &PRIORITY)) die("real-time priority");
  execvp(command[0], command);
  die(command[0]);
  return 1;
}

/* ---- commands ---- */

static void print_link(const char *name, const struct link *link) {
  printf("\"%s\":{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"dropped\":%" PRIu64
         ",\"passed\":%" PRIu64 ",\"queuedBytes\":%.0f}",
         name, link->packets, link->bytes, link->lost, link->dropped, link->passed, backlog(link, now_ns()));
}

static void print_stats(void) {
  printf("{\"nodes\":[");
  for (int i = 0; i < count; i++) {
    printf("%s{", i ? "," : "");
    print_link("up", &nodes[i].up);
    putchar(',');
    print_link("down", &nodes[i].down);
    printf(",\"refused\":%" PRIu64 ",\"deliveredFrom\":[", nodes[i].refused);
    for (int from = 0; from < count; from++) printf("%s%" PRIu64, from ? "," : "", nodes[i].delivered[from]);
    printf("]}");
  }
  printf("],\"pausedMs\":%.3f}\n", (double)paused / 1e6);
}

static void set_link(struct link *link, double loss, double delay_us, double rate, double queue, double burst, int police) {
  /* What waits goes on at the new rate. */
  int64_t now = now_ns();
  double waiting = backlog(link, now);
  link->loss = loss;
  link->burst = burst;
  link->in_burst = 0;
  link->police = police;
  link->delay = (int64_t)(delay_us * 1000);
  link->ns_per_byte = rate > 0 ? 8e9 / rate : 0;
  link->queue = (int64_t)queue;
  link->line_free = now + (int64_t)(waiting * link->ns_per_byte);
}

static void obey(const char *line) {
  int node, police;
  char direction[8];
  double loss, delay, rate, queue, burst;
  if (!strcmp(line, "stats")) {
    print_stats();
  } else if (sscanf(line, "link %d %7s %lf %lf %lf %lf %lf %d", &node, direction, &loss, &delay, &rate, &queue, &burst, &police) == 8 &&
             node < count) {
    for (int i = 0; i < count; i++) {
      if (node >= 0 && node != i) continue;
      if (strcmp(direction, "down")) set_link(&nodes[i].up, loss, delay, rate, queue, burst, police);
      if (strcmp(direction, "up")) set_link(&nodes[i].down, loss, delay, rate, queue, burst, police);
    }
    printf("{}\n");
  } else {
    fprintf(stderr, "netlab: expected 'link ...' or 'stats', got '%s'\n", line);
    exit(2);
  }
  fflush(stdout);
}

static void read_commands(void) {
  static char text[4096];
  static size_t length;
  ssize_t more = read(0, text + length, sizeof text - 1 - length);
  if (more <= 0) exit(0);
  text[length += (size_t)more] = 0;
  char *start = text;
  for (char *end; (end = strchr(start, '\n')); start = end + 1) {
    *end = 0;
    obey(start);
  }
  length = strlen(start);
  memmove(text, start, length);
}

static void run_hub(void) {
  /* On a busy machine the network must not be what is late. Where that is not allowed it works all the same. */
  sched_setscheduler(0, SCHED_RR, &PRIORITY);
  int poll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (poll < 0 || timer < 0) die("epoll");
  for (int i = -2; i < count; i++) {
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = i};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, i == -2 ? 0 : i == -1 ? timer : nodes[i].tun, &wanted)) die("epoll");
  }
  for (;;) {
    int64_t next = advance();
    struct itimerspec at = {0};
    if (next != NEVER) at.it_value = (struct timespec){(next + paused) / 1000000000, (next + paused) % 1000000000};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    struct epoll_event ready[MAX_NODES + 2];
    int events = epoll_wait(poll, ready, MAX_NODES + 2, -1);
    for (int i = 0; i < events; i++) {
      if (ready[i].data.fd >= 0) read_node(ready[i].data.fd);
      else if (ready[i].data.fd == -2) read_commands();
    }
  }
}

int main(int argc, char **argv) {
  int real_time = argc > 1 && !strcmp(argv[1], "rt");
  if (argc >= 4 && (real_time || !strcmp(argv[1], "exec"))) return run_in(argv[2], argv + 3, real_time);
  count = argc == 4 && !strcmp(argv[1], "hub") ? atoi(argv[2]) : 0;
  if (count < 1 || count > MAX_NODES) {
    fprintf(stderr, "usage: netlab hub NODES SEED | netlab exec|rt PID COMMAND...\n");
    return 2;
  }
  nodes = calloc((size_t)count, sizeof *nodes);
  if (!nodes) die("calloc");
  for (int i = 0; i < count; i++) open_node(i, strtoull(argv[3], NULL, 10));
  printf("{\"holders\":[");
  for (int i = 0; i < count; i++) printf("%s%d", i ? "," : "", nodes[i].holder);
  printf("],\"hasCubic\":%s}\n", has_cubic ? "true" : "false");
  fflush(stdout);
  run_hub();
}
