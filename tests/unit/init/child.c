/* SPDX-License-Identifier: MIT */
/*
 * child.c - init builds a child: on the kernel's own state machine, with images good and broken.
 *
 * What holds: a child that was started has the address space of exo/abi/start.h and exactly the
 * frames that child_pages() said; of one that was not started nothing is left, and init said why.
 */
#include "child.h"

#include <elf.h>
#include <stdlib.h>

#include "directory.h"
#include "libos.h"
#include "nic.h"
#include "peers.h"
#include "table.h"

#undef printf

enum { ROUNDS = 200000, TEXT = 0x1000, DATA = 0x2010, IMAGE = 0x2100, QUOTA = 40, ALLOW = 1024 };
#define OUR_MAC 0x525400000001ull

struct env *fake_init;
int fake_fail_at;
uint64_t fake_random;
char fake_said[4096];
static const struct exo_start own = {.wall_clock = 1234567};
const struct exo_start *libos_start_info = &own;

int fake_printf(const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(fake_said);

    va_start(arguments, format);
    int length = vsnprintf(fake_said + used, sizeof(fake_said) - used, format, arguments);
    va_end(arguments);
    return length;
}

/* A "bundle" for child_start: of its header how many there are, strings, then the image. */
#define STRINGS sizeof(struct bundle_header)
static char bundle[EXO_PAGE_SIZE + IMAGE];
static struct bundle_app app;
static struct ring ring; /* that it is given */
static uint64_t base;    /* of the last image that was placed */

struct program_file {
    Elf64_Ehdr header;
    Elf64_Phdr programs[2];
};
#define program ((struct program_file *)(bundle + EXO_PAGE_SIZE))

/* Text of one page; data that begins within its page, with bss: two pages. */
static void make_app(void)
{
    static const struct program_file good = {
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = ET_DYN,
                   .e_machine = EM_X86_64,
                   .e_version = EV_CURRENT,
                   .e_entry = 0x10,
                   .e_phoff = sizeof(Elf64_Ehdr),
                   .e_ehsize = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 2},
        .programs = {{PT_LOAD, PF_R | PF_X, TEXT, 0, 0, 0x800, 0x800, 0x1000},
                     {PT_LOAD, PF_R | PF_W, DATA, DATA, 0, 0x80, 0x1800, 0x1000}},
    };

    for (unsigned i = 0; i < sizeof(bundle); i++)
        bundle[i] = (char)(i * 7 + 1);
    memcpy(bundle, &(struct bundle_header){.apps = 1}, sizeof(struct bundle_header));
    memcpy(program, &good, sizeof(good));
    memcpy(bundle + STRINGS, "www\0-v\0A=1", 11);
    app = (struct bundle_app){"www", EXO_PAGE_SIZE, IMAGE, STRINGS, 11, 2, 1, QUOTA, 1, 0, 1, 0,
                              3,     OUR_MAC,       ALLOW, 2,       0,  0, 1};
    struct exo_filter allow[2] = {mock_mac(OUR_MAC), mock_mac(OUR_MAC)};
    allow[1].value.vlan = EXO_VLAN_TAGGED | 7;
    allow[1].mask.vlan = EXO_VLAN_ALL;
    memcpy(bundle + ALLOW, allow, sizeof(allow));
}

static void boot(void)
{
    fake_init = mock_boot();
    fake_fail_at = 0;
    fake_random = tap_random();
    make_app();
}

static env_t start(void)
{
    fake_said[0] = 0;
    return child_start(bundle, &app, ring, &base);
}

/* The leaf entry of an address of the child, 0: none. */
static uint64_t leaf(const struct env *child, uint64_t address)
{
    frame_t table = child->root;
    uint64_t entry = 0;

    for (int shift = 39; shift >= 12; shift -= 9) {
        entry = ((uint64_t *)machine_frame(table))[address >> shift & 511];
        if (!(entry & PTE_PRESENT))
            return 0;
        table.n = (uint32_t)PTE_FRAME(entry);
    }
    return entry;
}

/* One page: right permission, DATA of the child's own, and these bytes at `offset`, zero around. */
static bool page_is(const struct env *child, uint64_t address, uint64_t bits, const void *content,
                    uint64_t offset, uint64_t length)
{
    uint64_t entry = leaf(child, address);
    const uint64_t mask = PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_NX;

    if ((entry & mask) != (bits | PTE_PRESENT | PTE_USER))
        return false;
    uint32_t frame = (uint32_t)PTE_FRAME(entry);
    const uint8_t *bytes = machine_frame((frame_t){frame});
    if (&envs[frames[frame].owner] != child || frames[frame].type != EXO_DATA ||
        memcmp(bytes + offset, content, length) != 0)
        return false;
    for (uint64_t i = 0; i < EXO_PAGE_SIZE; i++)
        if ((i < offset || i >= offset + length) && bytes[i])
            return false;
    return true;
}

static bool stack_is_there(const struct env *child)
{
    for (uint64_t i = 1; i <= EXO_STACK_PAGES; i++)
        if (!page_is(child, EXO_STACK_TOP - i * EXO_PAGE_SIZE, PTE_WRITE | PTE_NX, "", 0, 0))
            return false;
    return !leaf(child, EXO_STACK_TOP - (EXO_STACK_PAGES + 1) * EXO_PAGE_SIZE) &&
           !leaf(child, EXO_STACK_TOP);
}

static bool start_page_is_right(const struct env *child)
{
    struct exo_start want = {.magic = EXO_START_MAGIC,
                             .version = EXO_START_VERSION,
                             .argc = 2,
                             .envc = 1,
                             .strings_bytes = 11,
                             .wall_clock = own.wall_clock,
                             .image_base = base,
                             .image_end = base + 0x4000,
                             .mac = OUR_MAC,
                             .allowances = 2};

    memset(want.seed, 0x5a, sizeof(want.seed));
    memcpy(want.strings, bundle + STRINGS, 11);
    memcpy(want.allow, bundle + ALLOW, 2 * sizeof(struct exo_filter));
    return page_is(child, EXO_START_ADDRESS, PTE_NX, &want, 0, sizeof(want));
}

static void test_good(void)
{
    boot();
    uint32_t pages = fake_init->used[EXO_R_PAGES];
    env_t name = start();
    struct env *child = mock_env(name.n);

    if (!tap_ok(child && !*fake_said, "a good application is started, without a word"))
        return;
    tap_ok(child->state == EXO_ENV_LIVE && child->quota[EXO_R_PAGES] == QUOTA &&
               child->quota[EXO_R_QUEUES] == 1 && child->quota[EXO_R_ENVS] == 3 &&
               child->allowances == 2 &&
               !memcmp(child->allow, bundle + ALLOW, 2 * sizeof(struct exo_filter)) &&
               !strcmp(child->label, "www"),
           "it has the quotas, the allowances and the name that it was given");
    tap_ok(child->context.rip == base + 0x10 && child->context.rsp == EXO_STACK_TOP - 8 &&
               child->context.rdi == EXO_START_ADDRESS,
           "it starts at its entry, with the registers of start.h");
    const char *file = bundle + EXO_PAGE_SIZE;
    tap_ok(page_is(child, base, 0, file + TEXT, 0, 0x800), "text: executable");
    tap_ok(page_is(child, base + 0x2000, PTE_WRITE | PTE_NX, file + DATA, 0x10, 0x80),
           "data: writable, zero around it");
    tap_ok(page_is(child, base + 0x3000, PTE_WRITE | PTE_NX, "", 0, 0), "bss: zero");
    tap_ok(stack_is_there(child), "a stack, with nothing below and above");
    tap_ok(start_page_is_right(child), "the start page: read-only, and what start.h says");
    tap_ok((leaf(child, EXO_CONTROL_ADDRESS) & (PTE_WRITE | PTE_NX)) == (PTE_WRITE | PTE_NX) &&
               PTE_FRAME(leaf(child, EXO_CONTROL_ADDRESS)) == child->control.n,
           "the control page: writable");
    tap_ok(!inv_all() && fake_init->used[EXO_R_PAGES] == pages, "the kernel's invariants hold");
    tap_ok(CALL(fake_init, ENV_KILL, name.n, 9) == 0 && child_reclaim(name) && !inv_all() &&
               !mock_env(name.n) && !*fake_said,
           "all of it is taken back");
}

static uint64_t pages_of(uint64_t entry, uint64_t data, uint64_t bytes)
{
    struct elf_plan plan;

    program->header.e_entry = entry + 0x10;
    program->programs[0].p_vaddr = entry;
    program->programs[1].p_vaddr = data;
    program->programs[1].p_memsz = bytes;
    if (elf_check(program, IMAGE, &elf_application, &plan))
        return 0;
    elf_place(&plan, fake_random);
    return child_pages(&plan);
}

static void test_quota(void)
{
    static const uint64_t cases[][3] = {
        {0, DATA, 0x1800},            /* one page table for all */
        {0x1ff000, 0x200000, 0x1000}, /* neighbours, in two tables */
        {0, 0x3fc00000, 0x2000},      /* far apart */
        {0, 0x3ffff000, 0x1000},      /* as large as can be */
        {0x200000, 0x1fe000, 0x2000}, /* the second before the first */
    };
    bool exact = true, told = true;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        boot();
        uint64_t needed = pages_of(cases[i][0], cases[i][1], cases[i][2]), place = fake_random;
        app.pages = (uint32_t)needed;
        env_t name = start();
        exact &= needed && name.n && mock_env(name.n)->used[EXO_R_PAGES] == needed;
        boot();
        fake_random = place;
        pages_of(cases[i][0], cases[i][1], cases[i][2]);
        app.pages = (uint32_t)needed - 1;
        mock_snapshot(true);
        char want[200];
        snprintf(want, sizeof(want),
                 "www is not started: its quota is %u pages, to start it takes %u; raise `memory` "
                 "in the machine file.\n",
                 app.pages, app.pages + 1);
        told &= !start().n && !strcmp(fake_said, want) && mock_unchanged(true);
    }
    tap_ok(exact, "child_pages is exactly what a child takes");
    tap_ok(told, "one page less, and it is refused by name and amount");
    boot();
    bool same = true;
    for (unsigned i = 0; i < 2000; i++, fake_random = tap_random())
        same &= pages_of(0, DATA, 0x1800) == 3 + 4 + 1 + 1 + 7;
    tap_ok(same, "by hand: image, stack, control page, start page, tables; the same at all places");
}

/* Each start is at a place of its own, but when init's own was not drawn, for a debugger. */
static void test_places(void)
{
    static struct exo_start not_drawn = {.image_base = EXO_IMAGE_BASE};
    uint64_t first;

    boot();
    bool good = start().n;
    first = base;
    boot();
    good &= start().n && base != first;
    tap_ok(good && base != EXO_IMAGE_BASE, "two starts, two places");
    boot();
    libos_start_info = &not_drawn;
    tap_ok(start().n && base == EXO_IMAGE_BASE, "for a debugger the first place of all");
    libos_start_info = &own;
}

static void test_too_much(void)
{
    char want[200];

    boot();
    uint32_t left = fake_init->quota[EXO_R_PAGES] - fake_init->used[EXO_R_PAGES] - CHILD_RESERVE;
    app.pages = left + 1;
    mock_snapshot(true);
    snprintf(want, sizeof(want), "www is not started: it wants %u pages, %u are left.\n", left + 1,
             left);
    tap_ok(!start().n && !strcmp(fake_said, want) && mock_unchanged(true),
           "more pages than are left: refused by name and amount");
    app.pages = UINT32_MAX;
    tap_ok(!start().n && strstr(fake_said, "it wants 4294967295 pages") && mock_unchanged(true),
           "as many pages as fit a word: refused");
    app.pages = left;
    env_t name = start();
    tap_ok(name.n && fake_init->quota[EXO_R_PAGES] - fake_init->used[EXO_R_PAGES] == CHILD_RESERVE,
           "all that is left: started, and init keeps its reserve");
    strcpy(app.name, "www2");
    app.pages = QUOTA;
    app.mac = 0;
    tap_ok(!start().n &&
               !strcmp(fake_said, "www2 is not started: it wants 40 pages, 0 are left.\n"),
           "the next is refused");
    tap_ok(!inv_all(), "the kernel's invariants hold");
    boot();
    app.queues = MOCK_QUEUES + 1;
    mock_snapshot(true);
    tap_ok(
        !start().n && mock_unchanged(true) &&
            strstr(fake_said,
                   "www is not started: it wants 40 pages, 33 network queues and 3 environments: "),
        "more queues than there are: refused");
}

/* Every call of a start fails once. */
static void test_failing_calls(void)
{
    int failed = 0;
    bool clean = true;

    boot();
    for (int n = 1;; n++) {
        uint32_t pages_max = fake_init->quota[EXO_R_PAGES], pages = fake_init->used[EXO_R_PAGES];
        uint32_t queues = fake_init->quota[EXO_R_QUEUES], children = fake_init->used[EXO_R_ENVS],
                 free = frame_free_count;
        fake_fail_at = n;
        env_t name = start();
        if (fake_fail_at) {
            clean &= name.n != 0;
            break;
        }
        failed++;
        /* The call's own error; without a window there is no memory to show the frame. */
        bool why = strstr(fake_said, exo_error_text(EXO_E_QUOTA)) ||
                   strstr(fake_said, exo_error_text(EXO_E_MEMORY));
        if (name.n || !strstr(fake_said, "www is not started: ") || !why || inv_all() ||
            fake_init->quota[EXO_R_PAGES] != pages_max || fake_init->used[EXO_R_PAGES] != pages ||
            fake_init->quota[EXO_R_QUEUES] != queues || fake_init->used[EXO_R_ENVS] != children ||
            frame_free_count != free) {
            tap_ok(false, "call %d fails: %s%s", n, fake_said, inv_all() ? inv_all() : "");
            clean = false;
        }
    }
    tap_ok(clean && failed > 30, "each of %d calls fails once: nothing is left, and it is told",
           failed);
}

static void give_rights(const char *rights)
{
    static const char strings[] = "www\0-v\0FREEHOLD_RIGHTS=";

    memcpy(bundle + STRINGS, strings, sizeof(strings));
    strcpy(bundle + STRINGS + sizeof(strings) - 1, rights);
    app.strings_size = (uint32_t)(sizeof(strings) + strlen(rights));
}

static void test_rights(void)
{
    boot();
    tap_ok(!right_given(bundle, &app, "directory"), "who is given no right has none");
    give_rights("tables,directory");
    tap_ok(right_given(bundle, &app, "directory") && right_given(bundle, &app, "tables") &&
               !right_given(bundle, &app, "direct") && !right_given(bundle, &app, "able"),
           "a right is a whole word");
    give_rights("directorys,");
    tap_ok(!right_given(bundle, &app, "directory") && !right_given(bundle, &app, "tables"),
           "a longer word is another");
    memcpy(bundle + STRINGS, "www\0FREEHOLD_RIGHTS=directory", 30);
    app.strings_size = 34;
    memcpy(bundle + STRINGS + 30, "A=1", 4);
    tap_ok(!right_given(bundle, &app, "directory"), "an argument gives no right");
}

/*
 * Start it until no call fails, the n-th in the n-th try: how many did; *name is who started in the end.
 * *clean: nobody started and nothing was left after each of the others.
 */
static int each_call_fails(env_t *name, bool *clean)
{
    *clean = true;
    for (int n = 1;; n++) {
        uint32_t pages = fake_init->used[EXO_R_PAGES];
        fake_fail_at = n;
        *name = start();
        if (fake_fail_at)
            return n - 1;
        *clean &= !name->n && !inv_all() && fake_init->used[EXO_R_PAGES] == pages &&
                  !fake_init->used[EXO_R_GRANTS];
    }
}

/* The directory is granted to the one that may know, and tells who runs as what. */
static void test_directory(void)
{
    boot();
    struct bundle_app both[2] = {app, app};
    strcpy(both[1].name, "other");
    tap_ok(peers_make(both, 2), "a directory is made");
    const struct exo_directory *page = machine_frame(peers_frame());
    tap_ok(page->magic == EXO_DIRECTORY_MAGIC && page->count == 2 &&
               !strcmp(page->entries[1].name, "other") && !page->entries[1].env.n,
           "it names all applications, and none runs");
    give_rights("directory");
    env_t name = start();
    struct env *child = mock_env(name.n);
    if (!tap_ok(child && !*fake_said, "one that may know is started"))
        return;
    uint64_t entry = leaf(child, EXO_DIRECTORY_ADDRESS);
    tap_ok(PTE_FRAME(entry) == peers_frame().n && !(entry & PTE_WRITE) && entry & PTE_NX,
           "it finds the directory, to be read alone");
    tap_ok(child->used[EXO_R_PAGES] == pages_of(0, DATA, 0x1800), "which costs it no page");
    uint32_t change = page->change;
    peers_tell(1, name);
    tap_ok(page->entries[1].env.n == name.n && page->entries[1].starts == 1 &&
               page->change == change + 2 && page->change % 2 == 0,
           "a start is told");
    peers_tell(1, (env_t){EXO_ENV_SELF});
    peers_tell(1, name);
    tap_ok(page->entries[1].env.n == name.n && page->entries[1].starts == 2, "so is the next");
    tap_ok(!child->rights, "the directory is no right to the kernel's tables");
    CALL(fake_init, ENV_KILL, name.n, 9);
    tap_ok(child_reclaim(name) && !inv_all() && !fake_init->used[EXO_R_GRANTS],
           "when it ends the grant does");

    give_rights("directory,tables");
    bool clean;
    int failed = each_call_fails(&name, &clean);
    tap_ok(name.n && mock_env(name.n)->rights == EXO_RIGHT_TABLES, "the other right is given");
    tap_ok(clean && name.n && failed > 30, "each of %d calls fails once: nothing is left", failed);
}

/* A traced one finds its ring, which is init's and stays so. */
static void test_ring(void)
{
    boot();
    ring = (struct ring){vm_alloc(2, EXO_DATA), 2 * EXO_PAGE_SIZE};
    uint32_t first = vm_frame((uint64_t)ring.at).n, pages = fake_init->used[EXO_R_PAGES];
    ring.at->magic = EXO_TRACE_MAGIC;
    env_t name = start();
    struct env *child = mock_env(name.n);
    bool there = child && !*fake_said;
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t entry = there ? leaf(child, EXO_TRACE_ADDRESS + i * EXO_PAGE_SIZE) : 0;
        there &= PTE_FRAME(entry) == first + i && entry & PTE_WRITE && entry & PTE_NX;
    }
    tap_ok(there && !leaf(child, EXO_TRACE_ADDRESS + 2 * EXO_PAGE_SIZE),
           "a traced one finds the ring that it was given, to be written, and nothing behind it");
    tap_ok(there && child->used[EXO_R_PAGES] == pages_of(0, DATA, 0x1800),
           "which costs it no page");
    CALL(fake_init, ENV_KILL, name.n, 9);
    tap_ok(child_reclaim(name) && !inv_all() && !fake_init->used[EXO_R_GRANTS] &&
               fake_init->used[EXO_R_PAGES] == pages && ring.at->magic == EXO_TRACE_MAGIC,
           "when it ends the ring is init's, with all that is in it");
    bool clean;
    int failed = each_call_fails(&name, &clean);
    tap_ok(clean && name.n && failed > 30, "each of %d calls fails once: nothing is left", failed);
    ring = (struct ring){NULL, 0};
}

/* --- one that others are under ------------------------------------------------------------------ */

enum {
    IMAGE_PAGES = (IMAGE + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE,
    STEWARD_PAGES = 1 + 3 * IMAGE_PAGES
};
static struct {
    struct bundle_header header;
    struct bundle_app apps[3]; /* a steward, one under it, and another */
    char strings[8];
    struct exo_filter allow;
    char rest[EXO_PAGE_SIZE - 64 - 3 * sizeof(struct bundle_app) - 8 - sizeof(struct exo_filter)];
    char images[3][IMAGE_PAGES * EXO_PAGE_SIZE];
} whole;
_Static_assert(sizeof(whole) == STEWARD_PAGES * EXO_PAGE_SIZE, "no hidden padding");

static void make_whole(void)
{
    static const char *const names[3] = {"steward", "under", "other"};

    memset(&whole, 0, sizeof(whole));
    whole.header = (struct bundle_header){.apps = 3, .size = sizeof(whole)};
    whole.allow = mock_mac(OUR_MAC);
    for (uint32_t i = 0; i < 3; i++) {
        struct bundle_app *to = &whole.apps[i];
        *to = (struct bundle_app){.image_offset = (1 + i * IMAGE_PAGES) * EXO_PAGE_SIZE,
                                  .image_size = IMAGE,
                                  .strings_offset = offsetof(typeof(whole), strings),
                                  .pages = QUOTA,
                                  .vcpus = 1};
        strcpy(to->name, names[i]);
        memcpy(whole.images[i], bundle + EXO_PAGE_SIZE, IMAGE);
        whole.images[i][IMAGE - 1] = (char)i;
    }
    whole.apps[0].cpus = 6;
    whole.apps[1].under = 1;
    whole.apps[1].pages = 15;
    whole.apps[1].queues = 1;
    whole.apps[1].mac = OUR_MAC;
    whole.apps[1].allowances = 1;
    whole.apps[1].allow_offset = offsetof(typeof(whole), allow);
}

/* Are these pages of the bundle there, and no others? */
static bool copy_is_right(const struct env *child)
{
    bool right = true;

    for (uint32_t page = 0; page < STEWARD_PAGES; page++) {
        uint64_t at = EXO_BUNDLE_ADDRESS + page * EXO_PAGE_SIZE;
        bool wanted = page == 0 || (page > IMAGE_PAGES && page <= 2 * IMAGE_PAGES);
        right &= wanted ? page_is(child, at, PTE_NX, (char *)&whole + page * EXO_PAGE_SIZE, 0,
                                  EXO_PAGE_SIZE)
                        : !leaf(child, at);
    }
    return right;
}

static void test_steward(void)
{
    boot();
    make_whole();
    uint32_t pages = fake_init->used[EXO_R_PAGES];
    env_t name = child_start((char *)&whole, &whole.apps[0], (struct ring){0}, &base);
    struct env *child = mock_env(name.n);
    if (!tap_ok(child && !*fake_said, "one that another is under is started"))
        return;
    tap_ok(copy_is_right(child),
           "it finds of the bundle what it takes to start that one, and no more");
    tap_ok(child->quota[EXO_R_PAGES] == QUOTA + 15 && child->quota[EXO_R_ENVS] == 1 &&
               child->quota[EXO_R_QUEUES] == 1 && child->quota[EXO_R_FILTERS] == 2 * CHILD_FILTERS,
           "it may have what both may");
    tap_ok(child->allowances == 1 && !memcmp(child->allow, &whole.allow, sizeof(whole.allow)),
           "and bind what that one may");
    uint32_t used = child->used[EXO_R_PAGES];
    tap_ok(used <= child->revoke.floor && used + 1 >= child->revoke.floor,
           "what it takes to start it stays its own");
    CALL(fake_init, ENV_KILL, name.n, 0);
    tap_ok(child_reclaim(name) && !inv_all() && fake_init->used[EXO_R_PAGES] == pages,
           "all of it is taken back");
    whole.header.apps = BUNDLE_APPS;
    child =
        mock_env((name = child_start((char *)&whole, &whole.apps[2], (struct ring){0}, &base)).n);
    tap_ok(child && child->quota[EXO_R_GATES] * BUNDLE_APPS == EXO_GATES &&
               child->quota[EXO_R_FILTERS] * BUNDLE_APPS < EXO_FILTERS &&
               child->quota[EXO_R_GRANTS] * BUNDLE_APPS < EXO_GRANTS,
           "one of very many may have an even part of gates, filters and grants");
    CALL(fake_init, ENV_KILL, name.n, 0);
    child_reclaim(name);
    whole.header.apps = 3;
    whole.apps[0].pages = used - 2;
    tap_ok(!child_start((char *)&whole, &whole.apps[0], (struct ring){0}, &base).n &&
               strstr(fake_said, "to start it takes"),
           "memory that does not hold it with its copy is refused");
    whole.apps[0].pages = QUOTA;
    bool clean = true;
    int failed = 0;
    for (name.n = 0; !name.n; failed++) {
        fake_fail_at = failed + 1;
        name = child_start((char *)&whole, &whole.apps[0], (struct ring){0}, &base);
        clean &= name.n || (!inv_all() && fake_init->used[EXO_R_PAGES] == pages);
    }
    tap_ok(clean && failed > 40, "each of %d calls fails once: nothing is left", failed - 1);
    fake_fail_at = 0;
}

static void test_busy(void)
{
    boot();
    app.pages = 56;
    env_t name = start();
    struct env *child = mock_env(name.n);
    bool flying = child && mock_queue(child, app.mac) >= 0;
    CALL(fake_init, ENV_KILL, name.n, 0);
    tap_ok(flying && !child_reclaim(name) && !child_reclaim(name) && !*fake_said,
           "while a packet is on its way the child is not taken back");
    nics[0]->poll(nics[0]);
    tap_ok(child_reclaim(name) && !mock_env(name.n) && !inv_all(), "and then it is");
    tap_ok(child_reclaim(name) && strstr(fake_said, "cannot be taken back: "),
           "one that is not there is told, and not asked for again");
}

static void test_broken_image(void)
{
    char want[200];

    boot();
    mock_snapshot(true);
    program->header.e_ident[0] = 0;
    snprintf(want, sizeof(want), "www is not started: its image is not an ELF file.\n");
    tap_ok(!start().n && !strcmp(fake_said, want) && mock_unchanged(true), "no ELF file: refused");
    app.image_size = 0;
    tap_ok(!start().n && !strcmp(fake_said, "www is not started: its image is empty.\n"),
           "an empty image: refused");
    make_app();
    program->programs[1].p_vaddr = EXO_IMAGE_SIZE - EXO_PAGE_SIZE;
    tap_ok(!start().n && strstr(fake_said, "outside of the addresses") && mock_unchanged(true),
           "data beyond the largest image: refused");
    make_app();
    program->header.e_type = ET_EXEC;
    tap_ok(!start().n && strstr(fake_said, "linked for a fixed address") && mock_unchanged(true),
           "a program for a fixed address: refused");
}

/* The image's headers mutated; it ends with the buffer, where the sanitizer watches. */
static void test_random(void)
{
    uint32_t started = 0, refused = 0, broken = 0;
    char *room = malloc(EXO_PAGE_SIZE + IMAGE);

    boot();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        make_app();
        memcpy(room, bundle, sizeof(bundle));
        for (uint64_t times = 1 + tap_random() % 3; times; times--) {
            uint64_t at = tap_random() % sizeof(struct program_file);
            char *byte = room + EXO_PAGE_SIZE + at;
            uint64_t kind = tap_random() % 4;
            *byte = kind == 0   ? (char)tap_random()
                    : kind == 1 ? (char)(*byte ^ (1 << tap_random() % 8))
                    : kind == 2 ? (char)0xff
                                : 0;
        }
        app.pages = 14 + (uint32_t)tap_random() % 40;
        fake_said[0] = 0;
        env_t name = child_start(room, &app, (struct ring){0}, &base);
        if (!name.n) {
            refused++;
            broken += !strstr(fake_said, "www is not started: ");
            continue;
        }
        started++;
        struct env *child = mock_env(name.n);
        broken += !child || *fake_said || child->used[EXO_R_PAGES] > app.pages;
        if (started % 64 == 0)
            broken += inv_all() != NULL;
        CALL(fake_init, ENV_KILL, name.n, 0);
        broken += !child_reclaim(name);
    }
    free(room);
    tap_ok(!broken && started > ROUNDS / 20 && refused > ROUNDS / 20 && !inv_all(),
           "%d random images: %u started and taken back, %u refused with a word", ROUNDS, started,
           refused);
}

int main(void)
{
    test_good();
    test_quota();
    test_places();
    test_too_much();
    test_failing_calls();
    test_rights();
    test_directory();
    test_ring();
    test_steward();
    test_busy();
    test_broken_image();
    test_random();
    return tap_done();
}
