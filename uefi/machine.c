/* SPDX-License-Identifier: MIT */
/*
 * machine.c - what the firmware knows of the machine: CPU, clock, screen, ACPI.
 *
 * Each of them but the CPU may be missing; the kernel is then told so, and starts all the same.
 */
#include "acpi.h"
#include "calendar.h"
#include "dmar.h"
#include "loader.h"

struct feature {
    const char *name;
    uint32_t leaf;
    uint32_t bit;
    uint32_t (*reg)(const struct cpuid *);
};

static uint32_t in_ebx(const struct cpuid *r)
{
    return r->ebx;
}

static uint32_t in_edx(const struct cpuid *r)
{
    return r->edx;
}

/* Intel SDM volume 2, CPUID. What long mode implies (SSE2, PAE, ...) is not asked for. */
static const struct feature needed[] = {
    {"TSC", 1, 4, in_edx},
    {"APIC", 1, 9, in_edx},
    {"FXSR", 1, 24, in_edx},
    {"FSGSBASE", 7, 0, in_ebx},
    {"SYSCALL", 0x80000001, 11, in_edx},
    {"NX", 0x80000001, 20, in_edx},
};

static bool cpu_has(uint32_t leaf, uint32_t bit, uint32_t (*reg)(const struct cpuid *))
{
    if (cpuid(leaf & 0x80000000, 0).eax < leaf)
        return false;
    struct cpuid r = cpuid(leaf, 0);
    return reg(&r) >> bit & 1;
}

bool cpu_has_gigabyte_pages(void)
{
    return cpu_has(0x80000001, 26, in_edx);
}

void cpu_check(void)
{
    uint64_t cr4;

    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!cpu_has(needed[i].leaf, needed[i].bit, needed[i].reg))
            fail("This CPU lacks %s, which Freehold needs.", needed[i].name);
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    /* CR4.LA57 cannot be changed without leaving 64-bit mode. */
    if (cr4 & 1u << 12)
        fail("The firmware runs the CPU with five-level page tables, which Freehold cannot use; "
             "look for a setting that turns them off.");
}

static bool guid_equal(const EFI_GUID *a, const EFI_GUID *b)
{
    return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

static uint64_t rsdp_find(void)
{
    static const EFI_GUID wanted[] = {ACPI_20_TABLE_GUID, ACPI_TABLE_GUID};

    for (unsigned version = 0; version < 2; version++)
        for (UINTN i = 0; i < firmware->NumberOfTableEntries; i++)
            if (guid_equal(&firmware->ConfigurationTable[i].VendorGuid, &wanted[version]))
                return (uint64_t)firmware->ConfigurationTable[i].VendorTable;
    return 0;
}

/* The kernel draws 32-bit pixels with one byte a colour; any other screen is none. */
static bool pixels_usable(const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode, uint32_t *bgr)
{
    const EFI_PIXEL_BITMASK *mask = &mode->PixelInformation;

    switch (mode->PixelFormat) {
    case PixelRedGreenBlueReserved8BitPerColor:
        *bgr = 0;
        return true;
    case PixelBlueGreenRedReserved8BitPerColor:
        *bgr = 1;
        return true;
    case PixelBitMask:
        *bgr = mask->BlueMask == 0xff;
        return mask->GreenMask == 0xff00 && mask->RedMask + mask->BlueMask == 0xff00ff &&
               (mask->RedMask == 0xff || mask->BlueMask == 0xff);
    default:
        return false;
    }
}

static EFI_GUID graphics = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

static bool framebuffer_of(EFI_HANDLE handle, struct boot_framebuffer *framebuffer)
{
    EFI_GRAPHICS_OUTPUT_PROTOCOL *screen;
    uint32_t bgr;

    if (!handle ||
        firmware->BootServices->HandleProtocol(handle, &graphics, (void **)&screen) != EFI_SUCCESS)
        return false;
    if (!screen->Mode || !screen->Mode->Info || !screen->Mode->FrameBufferBase ||
        !pixels_usable(screen->Mode->Info, &bgr))
        return false;
    *framebuffer = (struct boot_framebuffer){
        .address = screen->Mode->FrameBufferBase,
        .width = screen->Mode->Info->HorizontalResolution,
        .height = screen->Mode->Info->VerticalResolution,
        .stride = screen->Mode->Info->PixelsPerScanLine,
        .bgr = bgr,
    };
    return true;
}

static void framebuffer_find(struct boot_framebuffer *framebuffer)
{
    EFI_BOOT_SERVICES *services = firmware->BootServices;
    EFI_HANDLE *handles;
    UINTN count;

    /* The console's own screen, if it is one: with several, the console's handle stands for all of
     * them and has no memory. Then the first real one. */
    if (framebuffer_of(firmware->ConsoleOutHandle, framebuffer) ||
        services->LocateHandleBuffer(ByProtocol, &graphics, NULL, &count, &handles) != EFI_SUCCESS)
        return;
    for (UINTN i = 0; i < count; i++)
        if (framebuffer_of(handles[i], framebuffer))
            break;
    services->FreePool(handles);
}

static uint64_t clock_read(void)
{
    EFI_TIME now;

    if (firmware->RuntimeServices->GetTime(&now, NULL) != EFI_SUCCESS)
        return 0;
    struct moment moment = {now.Year, now.Month, now.Day, now.Hour, now.Minute, now.Second};
    uint64_t seconds = calendar_seconds(&moment);
    /* UEFI specification, GetTime(): local time is UTC less TimeZone minutes. A zone that is not
     * specified is taken for UTC. */
    if (seconds && now.TimeZone >= -1440 && now.TimeZone <= 1440)
        seconds += (uint64_t)((int64_t)now.TimeZone * 60);
    return seconds;
}

/* PCI Local Bus Specification 3.0, 3.2.2.3.2: every PC has these two ports. */
static uint8_t pci_read_byte(uint16_t id, uint32_t offset)
{
    uint32_t address = 1u << 31 | (uint32_t)id << 8 | (offset & 0xfc), value;

    __asm__ volatile("outl %0, %1" : : "a"(address), "Nd"((uint16_t)0xcf8));
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"((uint16_t)0xcfc));
    return (uint8_t)(value >> (offset % 4 * 8));
}

static void dma_describe(struct boot_info *info)
{
    uint64_t size;
    const void *dmar = acpi_find(info->rsdp, "DMAR", &size);

    if (dmar)
        dmar_read(dmar, size, pci_read_byte, &info->dma);
}

void machine_describe(struct boot_info *info)
{
    info->rsdp = rsdp_find();
    dma_describe(info);
    framebuffer_find(&info->framebuffer);
    info->wall_clock = clock_read();
    cpus_find(info);
}
