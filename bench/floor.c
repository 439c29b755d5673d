/*
 * The floor of a cold start: sends recorded rtnetlink datagrams to the kernel of the present network namespace as fast
 * as one thread can, one send and the reading of its answer at a time, and nothing else.
 *
 *   floor FILE    FILE holds datagrams, each behind its length (32 bits, host byte order)
 *
 * The last message of each datagram asks for an acknowledgement (NLM_F_ACK); the kernel answers refusals in any case.
 * Prints {"milliseconds":…,"processor":…,"datagrams":…,"refused":…}, processor time in milliseconds too. The clock starts when the file is in memory and the socket open.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *doing)
{
	fprintf(stderr, "floor: %s: %s\n", doing, strerror(errno));
	exit(1);
}

static char *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL || fseek(file, 0, SEEK_END) != 0)
		fail(path);
	*size = (size_t)ftell(file);
	rewind(file);
	char *bytes = malloc(*size + 1);
	if (bytes == NULL || fread(bytes, 1, *size, file) != *size)
		fail(path);
	fclose(file);
	return bytes;
}

static int open_socket(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int buffer = 4 * 1024 * 1024;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
		fail("opening a netlink socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) != 0)
		fail("setting the receive buffer");
	return fd;
}

/* The sequence number of the last message, whose acknowledgement ends the exchange. */
static uint32_t last_sequence(char *bytes, size_t size)
{
	struct nlmsghdr *message = (struct nlmsghdr *)bytes;
	uint32_t sequence = 0;
	int rest = (int)size;
	for (; NLMSG_OK(message, rest); message = NLMSG_NEXT(message, rest))
		sequence = message->nlmsg_seq;
	return sequence;
}

/* Reads answers up to the acknowledgement of `last`; returns how many messages were refused. */
static long read_answers(int fd, uint32_t last)
{
	static char answers[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
	long refused = 0;
	for (;;) {
		int rest = (int)recv(fd, answers, sizeof answers, 0);
		if (rest < 0)
			fail("reading answers");
		struct nlmsghdr *message = (struct nlmsghdr *)answers;
		for (; NLMSG_OK(message, rest); message = NLMSG_NEXT(message, rest)) {
			if (message->nlmsg_type != NLMSG_ERROR)
				continue;
			if (((struct nlmsgerr *)NLMSG_DATA(message))->error != 0)
				refused++;
			if (message->nlmsg_seq == last)
				return refused;
		}
	}
}

static double milliseconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: floor FILE\n");
		return 64;
	}
	size_t size;
	char *bytes = read_file(argv[1], &size);
	int fd = open_socket();
	long datagrams = 0, refused = 0;
	double began = milliseconds(CLOCK_MONOTONIC);
	double worked = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
	for (size_t at = 0; at < size; datagrams++) {
		uint32_t length;
		memcpy(&length, bytes + at, sizeof length);
		char *datagram = bytes + at + sizeof length;
		if (send(fd, datagram, length, 0) != (ssize_t)length)
			fail("sending");
		refused += read_answers(fd, last_sequence(datagram, length));
		at += sizeof length + length;
	}
	double ended = milliseconds(CLOCK_MONOTONIC);
	worked = milliseconds(CLOCK_PROCESS_CPUTIME_ID) - worked;
	printf("{\"milliseconds\":%.3f,\"processor\":%.3f,\"datagrams\":%ld,\"refused\":%ld}\n", ended - began, worked,
	       datagrams, refused);
	return 0;
}
