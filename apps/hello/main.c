/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    printf("Hello from %s, with %d argument%s.\n", argv[0], argc - 1, argc == 2 ? "" : "s");
    for (int second = 0;; second++) {
        printf("%d s\n", second);
        sleep(1);
    }
}
