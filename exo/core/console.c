/* SPDX-License-Identifier: MIT */
/*
 * console.c - lines of the applications on the machine's console, each with its author's name.
 */
#include "exo_handlers.h"
#include "frame.h"
#include "machine.h"

int64_t call_console_write(struct env *self, frame_t frame, uint32_t offset, uint32_t length)
{
    /* The longest a call can become: every character a line of its own. Here it is made piecewise.
     */
    char line[EXO_CONSOLE_MAX];
    uint32_t used = 0;

    if (length > EXO_CONSOLE_MAX || offset > EXO_PAGE_SIZE - length)
        return -EXO_E_RANGE;
    int64_t error = frame_check(self, frame.n, 1u << EXO_DATA);
    if (error)
        return error;

    const volatile char *text = (const char *)machine_frame(frame) + offset;
    for (uint32_t i = 0; i < length; i++) {
        char c = text[i]; /* shared memory: read once */
        if (c != '\n')
            line[used++] = (c >= ' ' && c <= '~') || c == '\t' ? c : '?';
        if (c == '\n' || i + 1 == length) {
            console_line(self->label, line, used);
            used = 0;
        }
    }
    return length;
}

void console_line(const char *label, const char *line, uint32_t length)
{
    char whole[1 + sizeof(((struct env *)0)->label) + 2 + EXO_CONSOLE_MAX + 1];
    uint32_t used = 1 + (uint32_t)__builtin_strlen(label);

    /* In one piece: a console that is behind loses a line whole or not at all. */
    whole[0] = '[';
    __builtin_memcpy(whole + 1, label, used - 1);
    __builtin_memcpy(whole + used, "] ", 2);
    __builtin_memcpy(whole + used + 2, line, length);
    whole[used + 2 + length] = '\n';
    machine_console(whole, used + 2 + length + 1);
}
