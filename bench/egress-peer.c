// Both ends of the connections that bench/egress.js measures:
//     egress-peer serve                     prints its port on 127.0.0.1; sends as many bytes as the line that it reads says
//     egress-peer connect HOST PORT COUNT   prints the median of connect(2) in microseconds, and connections a second
//     egress-peer read HOST PORT BYTES      prints megabytes a second
#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void answer(int client) {
  static char block[1 << 18];
  char line[32] = "";
  if (recv(client, line, sizeof line - 1, 0) <= 0) return;
  for (long left = atol(line); left > 0;) {
    const ssize_t sent = send(client, block, left < (long)sizeof block ? (size_t)left : sizeof block, 0);
    if (sent <= 0) return;
    left -= sent;
  }
}

static void serve(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 512) != 0) die("listen");
  getsockname(server, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  signal(SIGPIPE, SIG_IGN);
  for (;;) {
    const int client = accept(server, NULL, NULL);
    if (client < 0) continue;
    answer(client);
    close(client);
  }
}

// Reads what was asked for, to the end; how long connect(2) took is left in *connect_us.
static void fetch(const struct addrinfo *to, const char *bytes, double *connect_us) {
  static char buffer[1 << 20];
  char line[32];
  const int client = socket(to->ai_family, SOCK_STREAM, 0);
  const double from = now_us();
  if (connect(client, to->ai_addr, to->ai_addrlen) != 0) die("connect");
  *connect_us = now_us() - from;
  const int length = snprintf(line, sizeof line, "%s\n", bytes);
  if (send(client, line, (size_t)length, 0) != length) die("send");
  long heard = 0;
  for (ssize_t got; (got = recv(client, buffer, sizeof buffer, 0)) != 0; heard += got) {
    if (got < 0) die("recv");
  }
  if (heard != atol(bytes)) die("an answer was cut short");
  close(client);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "serve") == 0) serve();
  if (argc != 5) return 2;
  const struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  struct addrinfo *to;
  if (getaddrinfo(argv[2], argv[3], &wanted, &to) != 0) die("getaddrinfo");
  const double from = now_us();
  if (strcmp(argv[1], "read") == 0) {
    double connect_us;
    fetch(to, argv[4], &connect_us);
    printf("%.3f\n", atof(argv[4]) / (now_us() - from));
    return 0;
  }
  const int count = atoi(argv[4]);
  double *taken = calloc((size_t)count, sizeof *taken);
  for (int i = 0; i < count; i++) fetch(to, "5", &taken[i]);
  const double elapsed_us = now_us() - from;
  qsort(taken, (size_t)count, sizeof *taken, by_value);
  printf("%.3f %.3f\n", taken[count / 2], count / elapsed_us * 1e6);
  return 0;
}
