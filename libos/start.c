/* SPDX-License-Identifier: MIT */
/*
 * start.c - from the first instruction to main(), and the end.
 */
#include "libos.h"
#include "trace.h"

#include <elf.h>
#include <string.h>

#define MAIN_STACK (1024u * 1024)
#define GUARD      (16u * EXO_PAGE_SIZE)
#define SHIFT      256u /* from stack to heap: up to so many pages, and so many times 16 bytes */

const struct exo_start *libos_start_info;

/* What musl's start-up reads like a Linux process's stack: argc, argv, 0, envp, 0, auxv. */
static struct {
    uint64_t words[1 + EXO_START_COUNT + 2 + 32];
} stack_image;

extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));
int main(int argc, char **argv, char **envp);
int __libc_start_main(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
                      void (*)(void));
_Noreturn void libos_start(const struct exo_start *start);
void _init(void);
void _fini(void);

void _init(void)
{
}

void _fini(void)
{
}

const char *libos_setting(const char *name)
{
    const char *at = libos_start_info->strings, *end = at + libos_start_info->strings_bytes;
    size_t length = strlen(name);

    for (uint32_t i = 0; i < libos_start_info->argc + libos_start_info->envc && at < end; i++) {
        if (i >= libos_start_info->argc && !strncmp(at, name, length) && at[length] == '=')
            return at + length + 1;
        at += strlen(at) + 1;
    }
    return NULL;
}

const char *libos_name(void)
{
    return libos_start_info->argc ? libos_start_info->strings : "?";
}

static uint64_t *put_strings(uint64_t *at, const char **string, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        *at++ = (uint64_t)*string;
        *string += strlen(*string) + 1;
    }
    *at++ = 0;
    return at;
}

static void put_auxiliary(uint64_t *at)
{
    static uint8_t random[16];
    const uint64_t vector[][2] = {
        {AT_PHDR, (uint64_t)&__ehdr_start + __ehdr_start.e_phoff},
        {AT_PHENT, __ehdr_start.e_phentsize},
        {AT_PHNUM, __ehdr_start.e_phnum},
        {AT_PAGESZ, EXO_PAGE_SIZE},
        {AT_RANDOM, (uint64_t)random},
        {AT_NULL, 0},
    };

    random_bytes_critical(random, sizeof(random));
    memcpy(at, vector, sizeof(vector));
}

static void main_thread(void *unused)
{
    (void)unused;
    __libc_start_main(main, (int)stack_image.words[0], (char **)&stack_image.words[1], _init, _fini,
                      NULL);
}

/* With a stack of its own, somewhere. NULL: memory is out. */
static struct thread *main_create(void)
{
    uint8_t shift[2];

    random_bytes_critical(shift, sizeof(shift));
    _Static_assert(SHIFT == 1u << 8, "a byte each");
    uint64_t above = (1u + shift[0]) * EXO_PAGE_SIZE;
    long guard = vm_map(0, GUARD + MAIN_STACK + above, VM_NONE, false), stack = guard + GUARD;
    if (guard < 0 || vm_protect((uint64_t)stack, MAIN_STACK, EXO_WRITE))
        return NULL;
    return thread_create(main_thread, NULL, (uint64_t)stack,
                         (uint64_t)stack + MAIN_STACK - shift[1] * 16u, canary_fs());
}

/* Its own frame holds the canary of before canary_init, so it must have none. */
__attribute__((no_stack_protector)) void libos_start(const struct exo_start *start)
{
    vcpu_first();
    libos_start_info = start;
    if (start->magic != EXO_START_MAGIC || start->version != EXO_START_VERSION ||
        start->argc + start->envc > EXO_START_COUNT)
        exo_env_kill((env_t){EXO_ENV_SELF}, 127);
    vm_init();
    image_protect();
    canary_init();
    console_init();
    trace_start(vcpu_self());
    thread_init();
    if (image_fault()) {
        console_printf("this program cannot run: %s; link it as the programs in apps/ are\n",
                       image_fault());
        libos_exit(127);
    }

    const char *string = start->strings;
    stack_image.words[0] = start->argc;
    put_auxiliary(put_strings(put_strings(&stack_image.words[1], &string, start->argc), &string,
                              start->envc));
    struct thread *thread = main_create();
    if (!thread) {
        console_printf("too little memory to start: raise `memory` in the machine file\n");
        libos_exit(127);
    }
    strcpy(thread->name, "main");
    vcpus_start();
    thread_schedule();
}

void libos_exit(uint32_t status)
{
    VCPU->page.disabled = 1;
    console_flush();
    for (;;)
        exo_env_kill((env_t){EXO_ENV_SELF}, status);
}
