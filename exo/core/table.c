/* SPDX-License-Identifier: MIT */
/*
 * table.c - the page tables of the applications, entry by entry.
 *
 *   T1  an entry of a PML4, PDPT or PD names a table of the next lower type, of the same owner,
 *       and that table knows this entry as its only parent          inv_table_tree
 *   T2  an entry of a PT names a frame of the same owner, or one that was granted to it (grant.c)
 *       or, to be read by who has the right, one of the kernel's tables,
 *       and then the grant, too; it is writable only if the frame is
 *       DATA, RING or CONTROL, executable only if DATA, never both  inv_table_leaves
 *   T3  a table's `entries` and a frame's `mapped` are what the tables say   inv_table_counts
 *   T4  no entry has another bit than those below: no large page but of a BLOCK (block.c), nothing global,
 *       and of a PML4 only the lower half is ever touched           inv_table_leaves
 *   T5  after an entry is cleared or weakened no CPU uses the old one: machine_tlb_flush; in a batch,
 *       which asks them once, before any frame has another owner or type and at the end
 */
#include "exo_handlers.h"
#include "grant.h"
#include "machine.h"
#include "table.h"

#define ENTRIES 512u
/*
 * Of a PML4: the lower half is the application's, but for its last entry. With no code in the last
 * page of the lower half, rip never steps to an address that is not canonical, at which SYSRET and
 * IRET would fault in the kernel (as in CVE-2012-0217).
 */
#define USER_ENTRIES 255u

static uint64_t *entry_at(uint32_t table, uint32_t index)
{
    return (uint64_t *)machine_frame((frame_t){table}) + index;
}

uint64_t *table_entry(struct env *self, frame_t table, uint32_t index, int64_t *error)
{
    const struct frame *t = frame_of(self, table);

    *error = 0;
    if (table.n >= frame_count || index >= ENTRIES)
        *error = -EXO_E_RANGE;
    else if (!t)
        *error = -EXO_E_OWNER;
    else if (!frame_is_table(t))
        *error = -EXO_E_TYPE;
    else if (t->type == EXO_PML4 && index >= USER_ENTRIES)
        *error = -EXO_E_RANGE;
    return *error ? NULL : entry_at(table.n, index);
}

/* May a leaf name a frame of this type with this permission? */
static bool leaf_allows(const struct frame *f, uint32_t perm)
{
    bool data = f->type == EXO_DATA || f->type == EXO_BLOCK;

    if ((perm & EXO_WRITE) && !data && f->type != EXO_RING && f->type != EXO_CONTROL)
        return false;
    return !(perm & EXO_EXEC) || (data && !(perm & EXO_WRITE));
}

/* A BLOCK is mapped whole, by one entry of a PD, and nothing else ever gets the large-page bit. */
static uint64_t leaf_entry(uint32_t n, uint32_t perm)
{
    return ((uint64_t)n << EXO_PAGE_SHIFT) | PTE_PRESENT | PTE_USER |
           (frames[n].type == EXO_BLOCK ? PTE_LARGE : 0) | (perm & EXO_WRITE ? PTE_WRITE : 0) |
           (perm & EXO_EXEC ? 0 : PTE_NX);
}

/* What CPUs are yet to forget of the tables of one root, or (0) nothing; kept until the end of a batch. */
static frame_t stale_root;
static uint64_t stale_address;
static bool stale_kept;

void table_settle(void)
{
    if (stale_root.n)
        machine_tlb_flush(stale_root, stale_address);
    stale_root.n = 0;
}

void table_keep(bool keep)
{
    stale_kept = keep;
    table_settle();
}

/* Forget the translation through entry `index` of `table`, if any CPU can know it. */
static void forget(uint32_t table, uint32_t index)
{
    uint64_t address = 0;
    uint32_t shift = EXO_PAGE_SHIFT + 9u * (EXO_PT - frames[table].type);
    bool leaf = frames[table].type == EXO_PT;

    for (;;) {
        address |= (uint64_t)index << shift;
        if (frames[table].type == EXO_PML4)
            break;
        if (!frames[table].parent)
            return; /* hangs in no root: never translated */
        index = frames[table].index;
        table = frames[table].parent;
        shift += 9;
    }
    if (stale_root.n != table)
        table_settle();
    stale_address = stale_root.n || !leaf ? MACHINE_TLB_ALL : address;
    stale_root.n = table;
    if (!stale_kept)
        table_settle();
}

/* Does this entry, which is filled, map a page or block, rather than link a table? */
static bool table_has_leaf(uint32_t table, uint32_t index)
{
    return frames[table].type == EXO_PT || *entry_at(table, index) & PTE_LARGE;
}

void table_clear(uint32_t table, uint32_t index)
{
    uint64_t *entry = entry_at(table, index);
    struct frame *t = &frames[table], *f = &frames[PTE_FRAME(*entry)];

    if (table_has_leaf(table, index)) {
        f->mapped--;
        if (PTE_SLOT(*entry))
            grant_unmapped(PTE_SLOT(*entry));
    } else {
        f->parent = f->index = 0;
    }
    *entry = 0;
    t->entries--;
}

void table_unmap(uint32_t table, uint32_t index)
{
    table_clear(table, index);
    forget(table, index);
}

void table_fill(uint32_t table, uint32_t index, uint32_t n, uint32_t perm, uint32_t grant)
{
    /* An entry that was empty is in no TLB: nothing to forget. */
    *entry_at(table, index) = leaf_entry(n, perm) | PTE_GRANT(grant);
    frames[table].entries++;
    frames[n].mapped++;
}

int64_t call_pt_map(struct env *self, frame_t table, uint32_t index, uint64_t *entry, frame_t frame,
                    uint32_t perm)
{
    if (frame.n >= frame_count)
        return -EXO_E_RANGE;
    struct frame *t = &frames[table.n], *f = &frames[frame.n];
    if (f->type == EXO_FACTS ? !(envs[t->owner].rights & EXO_RIGHT_TABLES) : f->owner != t->owner)
        return -EXO_E_OWNER;
    bool leaf = f->type == EXO_BLOCK ? t->type == EXO_PD : t->type == EXO_PT;
    if (!leaf && f->type != t->type + 1)
        return -EXO_E_TYPE;
    if (leaf ? !leaf_allows(f, perm) : perm)
        return -EXO_E_PERM;
    if (*entry || f->parent || f->mapped == UINT32_MAX)
        return -EXO_E_BUSY;

    if (leaf) {
        table_fill(table.n, index, frame.n, perm, 0);
    } else {
        t->entries++;
        f->parent = table.n;
        f->index = (uint16_t)index;
        *entry = ((uint64_t)frame.n << EXO_PAGE_SHIFT) | PTE_PRESENT | PTE_USER | PTE_WRITE;
    }
    return 0;
}

int64_t call_pt_unmap(struct env *self, frame_t table, uint32_t index, uint64_t *entry)
{
    uint64_t frame = PTE_FRAME(*entry);
    if (!*entry)
        return -EXO_E_EMPTY;

    table_unmap(table.n, index);
    return (int64_t)frame;
}

int64_t call_pt_protect(struct env *self, frame_t table, uint32_t index, uint64_t *entry,
                        uint32_t perm)
{
    if (!table_has_leaf(table.n, index))
        return -EXO_E_TYPE;
    if (!*entry)
        return -EXO_E_EMPTY;
    uint32_t n = (uint32_t)PTE_FRAME(*entry), grant = PTE_SLOT(*entry);
    if (!leaf_allows(&frames[n], perm) || (grant && (perm & ~grants[grant].perm)))
        return -EXO_E_PERM;

    *entry = leaf_entry(n, perm) | PTE_GRANT(grant);
    forget(table.n, index);
    return 0;
}

int64_t call_pt_read(struct env *self, frame_t table, uint32_t index, uint64_t *entry)
{
    if (!*entry)
        return -EXO_E_EMPTY;
    uint64_t perm = (*entry & PTE_WRITE ? EXO_WRITE : 0) | (*entry & PTE_NX ? 0 : EXO_EXEC);
    return (int64_t)(PTE_FRAME(*entry) | (table_has_leaf(table.n, index) ? perm << 32 : 0));
}
