/* SPDX-License-Identifier: MIT */
/*
 * count.c - a plugin of QEMU: counts the instructions that the guest executes.
 *
 * -plugin FILE,counts=FILE,mark=HEX,offset=N
 *
 * `counts` is a file of a 64-bit number, kept current as memory: instructions since the code `mark`
 * was first executed, at an address whose last 12 bits are `offset`; 0: it was not yet. The few up to the end of
 * its block are not counted. Before, nothing is, as that would take the firmware many times as
 * long. Waiting for an interrupt counts nothing. The names and types below are those of version 1 of QEMU's
 * plugin interface (its manual, "QEMU TCG Plugins"), of which Debian has no header.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT   __attribute__((visibility("default")))
#define MARK_MAX 64u
#define MARK_MIN 12u /* fewer bytes could be the beginning of any function */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*function)(uint64_t, struct qemu_plugin_tb *));
void qemu_plugin_reset(uint64_t id, void (*done)(uint64_t));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *instruction,
                                                enum qemu_plugin_op what, void *number,
                                                uint64_t by);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block,
                                          void (*function)(unsigned, void *),
                                          enum qemu_plugin_cb_flags flags, void *argument);

EXPORT int qemu_plugin_version = 1;

static uint64_t *counted, self;
static uint8_t mark[MARK_MAX];
static size_t mark_length;
static uint64_t mark_offset;

static void count(uint64_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++)
        qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_tb_get_insn(block, i),
                                                   QEMU_PLUGIN_INLINE_ADD_U64, counted, 1);
}

/* All blocks that were translated are gone now. */
static void begin(uint64_t id)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, count);
}

static void reached(unsigned cpu, void *unused)
{
    static int once;

    (void)cpu;
    (void)unused;
    if (!once++)
        qemu_plugin_reset(self, begin);
}

/* A block ends at the first branch, so it may be shorter than the mark, or longer. */
static int is_mark(const struct qemu_plugin_tb *block)
{
    size_t same = 0;

    if ((qemu_plugin_tb_vaddr(block) & 0xfff) != mark_offset)
        return 0;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block) && same < mark_length; i++) {
        const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        size_t size = qemu_plugin_insn_size(instruction);
        if (size > mark_length - same)
            size = mark_length - same;
        if (memcmp(qemu_plugin_insn_data(instruction), mark + same, size))
            return 0;
        same += size;
    }
    return same >= MARK_MIN;
}

static void look(uint64_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    if (is_mark(block))
        qemu_plugin_register_vcpu_tb_exec_cb(block, reached, QEMU_PLUGIN_CB_NO_REGS, NULL);
}

static void read_mark(const char *hex)
{
    unsigned byte;

    while (mark_length < MARK_MAX && sscanf(hex + 2 * mark_length, "%2x", &byte) == 1)
        mark[mark_length++] = (uint8_t)byte;
}

EXPORT int qemu_plugin_install(uint64_t id, const void *machine, int argc, char **argv)
{
    int fd = -1;

    (void)machine;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "counts=", 7))
            fd = open(argv[i] + 7, O_RDWR | O_CLOEXEC);
        else if (!strncmp(argv[i], "mark=", 5))
            read_mark(argv[i] + 5);
        else if (!strncmp(argv[i], "offset=", 7))
            mark_offset = strtoul(argv[i] + 7, NULL, 10);
    }
    self = id;
    counted = mmap(NULL, sizeof(*counted), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || counted == MAP_FAILED || mark_length < MARK_MIN) {
        fprintf(stderr, "count: needs counts=FILE and mark=HEX of %u bytes or more\n", MARK_MIN);
        return 1;
    }
    close(fd);
    qemu_plugin_register_vcpu_tb_trans_cb(id, look);
    return 0;
}
