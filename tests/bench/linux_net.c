/* SPDX-License-Identifier: MIT */
/*
 * linux_net.c - from a kernel without network drivers to an interface with an address.
 */
#define _GNU_SOURCE
#include "linux_net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES 65536 /* more than any bench has connections */

void fail(const char *what)
{
    perror(what);
    reboot(RB_POWER_OFF);
    _exit(1);
}

static void load_modules(void)
{
    struct dirent **names;
    int count = scandir("/modules", &names, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        char path[512];
        if (names[i]->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
            fail(path);
        close(fd);
    }
}

static struct sockaddr_in ipv4(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
        fail(text);
    return address;
}

static void set(int fd, const char *interface, unsigned long what, struct sockaddr_in address)
{
    struct ifreq request = {0};

    strcpy(request.ifr_name, interface);
    memcpy(&request.ifr_addr, &address, sizeof(address));
    if (ioctl(fd, what, &request))
        fail(interface);
}

static void up(int fd, const char *interface)
{
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};

    strcpy(request.ifr_name, interface);
    if (ioctl(fd, SIOCSIFFLAGS, &request))
        fail(interface);
}

static void route(int fd, const char *gateway)
{
    struct rtentry entry = {.rt_flags = RTF_UP | RTF_GATEWAY};
    struct sockaddr_in to = ipv4(gateway), any = {.sin_family = AF_INET};

    memcpy(&entry.rt_gateway, &to, sizeof(to));
    memcpy(&entry.rt_dst, &any, sizeof(any));
    memcpy(&entry.rt_genmask, &any, sizeof(any));
    if (ioctl(fd, SIOCADDRT, &entry))
        fail(gateway);
}

void net_up(const char *address, const char *gateway)
{
    const struct rlimit files = {FILES, FILES};
    char host[32] = "";
    int bits = 24, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    mkdir("/dev", 0755);
    if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) || setrlimit(RLIMIT_NOFILE, &files))
        fail("/dev");
    load_modules();
    sscanf(address, "%31[0-9.]/%d", host, &bits);
    up(fd, "lo");
    set(fd, "eth0", SIOCSIFADDR, ipv4(host));
    struct sockaddr_in mask = {.sin_family = AF_INET};
    mask.sin_addr.s_addr = htonl(0xffffffffu << (32 - bits));
    set(fd, "eth0", SIOCSIFNETMASK, mask);
    up(fd, "eth0");
    route(fd, gateway);
    close(fd);
}
