/* SPDX-License-Identifier: MIT */
/*
 * boot.c - from the loader's jump to the first environment, in order.
 */
#include "boot_info.h"

#include "env.h"
#include "frame.h"
#include "machine.h"
#include "irq.h"
#include "nic.h"
#include "percpu.h"
#include "smp.h"
#include "speculation.h"
#include "x86_64.h"

EXO_BOOT_NOTE;

struct boot_info boot;

extern char kernel_start[];
struct cpu *boot_first(const struct boot_info *given);
struct exo_context *boot_main(void);
struct exo_context *cpu_join(void);

/* What the loader says is believed, it is part of what we trust; versions can still differ. */
static void check(const struct boot_info *given)
{
    if (given->magic != EXO_BOOT_MAGIC || given->version != EXO_BOOT_VERSION ||
        given->size != sizeof(*given))
        panic("The loader speaks version %u of boot_info (%u bytes), this kernel version %u "
              "(%u bytes): build both from one checkout.",
              given->version, given->size, EXO_BOOT_VERSION, (unsigned)sizeof(*given));
}

/* Until there is a stack to go on with. */
struct cpu *boot_first(const struct boot_info *given)
{
    serial_init();
    descriptors_init();
    check(given);
    boot = *given;
    memory_init();
    return cpu_make(boot.cpus[0]);
}

struct exo_context *boot_main(void)
{
    descriptors_load(this_cpu());
    features_init();
    framebuffer_init(&boot.framebuffer);
    klog("Freehold %s, an exokernel.", FREEHOLD_VERSION);
    klog("The kernel lies at 0x%lx.", (uint64_t)kernel_start);
    features_tell();
    speculation_init();
    irq_init();
    serial_start_interrupts();
    apic_init();
    features_pin();
    smp_start();
    memory_tables();
    nic_init();
    if (!nic_count)
        klog("No network card was found that this kernel drives (virtio-net or e1000): "
             "applications have no network.");
    memory_give_to_core();
    memory_check();
    klog("%u MiB of memory are free, %u frames.", frame_free_count / 256, frame_free_count);
    first_start();
    features_check();
    log_started();
    smp_serve();
    return cpu_join();
}
