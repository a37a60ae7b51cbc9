/* SPDX-License-Identifier: MIT */
/*
 * httpd: serves the files in its image, and a page about itself, by HTTP/1.1.
 *
 * Settings come from the environment (in a machine file: `environment = { HTTPD_PORT = "80" }`):
 *   HTTPD_ADDRESS      where it listens       :: every address it has, of IPv4 and of IPv6
 *   HTTPD_PORT         TCP port               80; 0: any that is free
 *   HTTPD_CONNECTIONS  at the same time       200, at most 8192
 *   HTTPD_IDLE_MS      an idle connection is closed after      15000
 *   HTTPD_REQUEST_MS   a request must have arrived within      10000
 *   HTTPD_SEND_MS      its answer must have been taken within  10000, and a second more for each
 * KiB
 */
#include <stdlib.h>

#include "connection.h"
#include "setting.h"

int main(void)
{
    const char *address = getenv("HTTPD_ADDRESS");
    struct server_settings settings = {
        .address = address ? address : "::",
        .port = setting("httpd", "HTTPD_PORT", 80, 0, 65535),
        .connections = setting("httpd", "HTTPD_CONNECTIONS", 200, 1, CONNECTIONS_MAX),
        .idle_ms = setting("httpd", "HTTPD_IDLE_MS", 15000, 1, 3600000),
        .request_ms = setting("httpd", "HTTPD_REQUEST_MS", 10000, 1, 3600000),
        .send_ms = setting("httpd", "HTTPD_SEND_MS", 10000, 1, 3600000),
    };

    return server_run(&settings);
}
