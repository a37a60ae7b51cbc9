/* SPDX-License-Identifier: MIT */
/*
 * exit.c - ending the firmware's boot services.
 *
 * The memory map's key goes stale whenever anything in the firmware allocates, a timer's handler
 * for example; the UEFI specification (ExitBootServices) asks to fetch the map again and retry.
 * After the first try it allows these two calls and no others: no allocation, no console.
 */
#include "loader.h"

enum { TRIES = 16 };

EFI_STATUS firmware_leave(struct memory_map *map)
{
    EFI_STATUS status = EFI_SUCCESS;

    for (int i = 0; i < TRIES; i++) {
        UINTN key;
        status = memory_map_get(map, &key);
        if (status == EFI_SUCCESS)
            status = firmware->BootServices->ExitBootServices(loader_image, key);
        if (status != EFI_INVALID_PARAMETER)
            break;
    }
    return status;
}
