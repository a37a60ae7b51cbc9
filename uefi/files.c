/* SPDX-License-Identifier: MIT */
/*
 * files.c - reads files from the volume that the loader was started from.
 *
 * That volume and no other: with several disks in the machine, a loader never starts another
 * installation's kernel.
 */
#include "loader.h"

enum { NAME_MAX = 64 };
/* Some firmware fails on reads of many megabytes. */
#define READ_AT_ONCE (1024 * KIB)

static EFI_FILE_HANDLE volume;

void volume_open(void)
{
    static EFI_GUID loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    static EFI_GUID file_system = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_BOOT_SERVICES *services = firmware->BootServices;
    EFI_LOADED_IMAGE *self;
    EFI_FILE_IO_INTERFACE *files;

    if (services->HandleProtocol(loader_image, &loaded_image, (void **)&self) != EFI_SUCCESS)
        fail("The firmware does not say where this loader was started from.");
    if (services->HandleProtocol(self->DeviceHandle, &file_system, (void **)&files) != EFI_SUCCESS)
        fail("This loader was started from a place without files; start it from a disk.");
    if (files->OpenVolume(files, &volume) != EFI_SUCCESS)
        fail("The volume that this loader was started from cannot be read.");
}

static EFI_STATUS open_by_name(const char *name, EFI_FILE_HANDLE *file)
{
    CHAR16 wide[NAME_MAX];
    UINTN i;

    for (i = 0; name[i] && i + 1 < NAME_MAX; i++)
        wide[i] = (CHAR16)name[i];
    wide[i] = 0;
    return volume->Open(volume, file, wide, EFI_FILE_MODE_READ, 0);
}

bool file_there(const char *name)
{
    EFI_FILE_HANDLE file;

    if (open_by_name(name, &file) != EFI_SUCCESS)
        return false;
    file->Close(file);
    return true;
}

static EFI_FILE_HANDLE file_open(const char *name)
{
    EFI_FILE_HANDLE file;
    EFI_STATUS status = open_by_name(name, &file);

    if (status == EFI_NOT_FOUND)
        fail("%s is missing on the volume that this loader was started from.", name);
    if (status != EFI_SUCCESS)
        fail("%s cannot be opened (firmware status 0x%lx).", name, (uint64_t)status);
    return file;
}

static uint64_t file_size(EFI_FILE_HANDLE file, const char *name)
{
    UINT64 size;

    /* UEFI specification, EFI_FILE_PROTOCOL.SetPosition(): all ones is the end of the file. A
     * folder has no such position, and there it fails. */
    if (file->SetPosition(file, ~0ull) != EFI_SUCCESS ||
        file->GetPosition(file, &size) != EFI_SUCCESS || file->SetPosition(file, 0) != EFI_SUCCESS)
        fail("%s is not an ordinary file.", name);
    return size;
}

struct loaded_file file_read(const char *name)
{
    EFI_FILE_HANDLE file = file_open(name);
    uint64_t size = file_size(file, name), done = 0;

    if (size == 0)
        fail("%s is empty.", name);
    uint64_t pages = (size - 1) / EXO_PAGE_SIZE + 1;
    uint8_t *data = pages_alloc(pages, name);
    while (done < size) {
        UINTN part = size - done < READ_AT_ONCE ? size - done : READ_AT_ONCE;
        EFI_STATUS status = file->Read(file, &part, data + done);
        if (status != EFI_SUCCESS)
            fail("%s cannot be read (firmware status 0x%lx).", name, (uint64_t)status);
        if (part == 0)
            fail("%s is truncated: %lu bytes were announced, %lu are there.", name, size, done);
        done += part;
    }
    file->Close(file);
    __builtin_memset(data + size, 0, pages * EXO_PAGE_SIZE - size);
    return (struct loaded_file){name, data, size};
}
