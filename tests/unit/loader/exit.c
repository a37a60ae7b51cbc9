/* SPDX-License-Identifier: MIT */
/*
 * exit.c - leaving a firmware that does not let go at once.
 *
 * A fake firmware: its memory map gets more entries, and with them another key, for some tries; it
 * ends only for the present key. After the first try any call but the two that the specification
 * allows is counted.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "../../../uefi/loader.h"
#include "../tap.h"

enum { FIRST_ENTRIES = 10, STRIDE = 48 };

static struct {
    UINTN entries, key;
    unsigned stale;  /* tries after which the key is stale once more */
    unsigned growth; /* entries that each of them adds */
    unsigned tries;
    unsigned wrong_key, forbidden;
    bool broken; /* ExitBootServices fails for another reason */
} fake;

static jmp_buf failed;
EFI_SYSTEM_TABLE *firmware;
EFI_HANDLE loader_image;

void say(const char *format, ...)
{
    (void)format;
}

_Noreturn void fail(const char *format, ...)
{
    (void)format;
    longjmp(failed, 1);
}

static EFI_STATUS EFIAPI fake_allocate(EFI_ALLOCATE_TYPE type, EFI_MEMORY_TYPE memory, UINTN pages,
                                       EFI_PHYSICAL_ADDRESS *address)
{
    (void)type;
    (void)memory;
    fake.forbidden += fake.tries > 0;
    *address = (EFI_PHYSICAL_ADDRESS)aligned_alloc(EXO_PAGE_SIZE, pages * EXO_PAGE_SIZE);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_free(EFI_PHYSICAL_ADDRESS address, UINTN pages)
{
    (void)pages;
    fake.forbidden += fake.tries > 0;
    free((void *)address);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_map(UINTN *size, EFI_MEMORY_DESCRIPTOR *map, UINTN *key,
                                  UINTN *stride, UINT32 *version)
{
    UINTN needed = fake.entries * STRIDE;

    *stride = STRIDE;
    *version = 1;
    if (*size < needed) {
        *size = needed;
        return EFI_BUFFER_TOO_SMALL;
    }
    memset(map, 0, needed);
    /* From top to bottom, so that sorting is needed. */
    for (UINTN i = 0; i < fake.entries; i++)
        *(struct memory_descriptor *)((char *)map + i * STRIDE) = (struct memory_descriptor){
            .type = 7, .physical_start = (fake.entries - i) * 0x2000, .pages = 1};
    *size = needed;
    *key = fake.key;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_exit(EFI_HANDLE image, UINTN key)
{
    (void)image;
    fake.tries++;
    if (fake.broken)
        return EFI_DEVICE_ERROR;
    if (fake.tries <= fake.stale) {
        fake.key++;
        fake.entries += fake.growth;
        return EFI_INVALID_PARAMETER;
    }
    fake.wrong_key += key != fake.key;
    return key == fake.key ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

static EFI_BOOT_SERVICES services = {
    .AllocatePages = fake_allocate,
    .FreePages = fake_free,
    .GetMemoryMap = fake_map,
    .ExitBootServices = fake_exit,
};
static EFI_SYSTEM_TABLE table = {.BootServices = &services};

static EFI_STATUS leave_with(unsigned stale, unsigned growth, bool broken, struct memory_map *map)
{
    memset(&fake, 0, sizeof(fake));
    fake.entries = FIRST_ENTRIES;
    fake.key = 77;
    fake.stale = stale;
    fake.growth = growth;
    fake.broken = broken;
    if (setjmp(failed))
        return EFI_ABORTED;
    memory_map_prepare();
    return firmware_leave(map);
}

static bool is_sorted(const struct memory_map *map)
{
    uint64_t last = 0;

    for (uint64_t at = 0; at < map->size; at += map->stride) {
        uint64_t start = ((struct memory_descriptor *)(map->descriptors + at))->physical_start;
        if (start <= last)
            return false;
        last = start;
    }
    return true;
}

int main(void)
{
    struct memory_map map;

    firmware = &table;
    tap_ok(leave_with(0, 0, false, &map) == EFI_SUCCESS && fake.tries == 1,
           "a firmware that lets go is left at the first try");
    tap_ok(map.size == FIRST_ENTRIES * STRIDE && is_sorted(&map), "its map is whole and sorted");

    tap_ok(leave_with(3, 4, false, &map) == EFI_SUCCESS && fake.tries == 4,
           "three stale keys are followed by a fourth try");
    tap_ok(map.size == (FIRST_ENTRIES + 3 * 4) * STRIDE && is_sorted(&map),
           "the map is the last one, grown and sorted");
    tap_ok(fake.wrong_key == 0, "the last try has the present key");
    tap_ok(fake.forbidden == 0, "nothing else was called after the first try");

    tap_ok(leave_with(1000, 0, false, &map) == EFI_INVALID_PARAMETER && fake.tries == 16,
           "a firmware that never lets go is given up after 16 tries");
    tap_ok(leave_with(0, 0, true, &map) == EFI_DEVICE_ERROR && fake.tries == 1,
           "another error is not retried");

    /* 32 more entries fit by promise; thousands do not, and must end in an error, not an overrun.
     */
    tap_ok(leave_with(1, 32, false, &map) == EFI_SUCCESS, "32 more entries fit");
    tap_ok(leave_with(1, 5000, false, &map) == EFI_BUFFER_TOO_SMALL, "too many more are an error");
    memory_map_prepare(); /* frees the former buffer */
    return tap_done();
}
