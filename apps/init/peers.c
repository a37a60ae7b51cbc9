/* SPDX-License-Identifier: MIT */
/*
 * peers.c - tells applications who else runs, on one page that is granted to those that may know.
 *
 * The page is init's: a grant of it ends with its reader, and a restarted one gets a new one. It names the
 * first applications, as many as fit; who writes a machine file is told if that is not all.
 */
#include "peers.h"

#include <string.h>

#include "directory.h"
#include "libos.h"

static struct exo_directory *page;

/* Is `word` one of the words, with commas between them? */
static bool holds(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (!strncmp(at, word, length) && (at[length] == ',' || !at[length]))
            return true;
    return false;
}

const char *setting_of(const char *bundle, const struct bundle_app *app, const char *name)
{
    const char *at = bundle + app->strings_offset, *end = at + app->strings_size;
    size_t length = strlen(name);

    for (uint32_t i = 0; at < end; i++, at += strlen(at) + 1)
        if (i >= app->argc && !strncmp(at, name, length) && at[length] == '=')
            return at + length + 1;
    return NULL;
}

bool right_given(const char *bundle, const struct bundle_app *app, const char *right)
{
    return holds(setting_of(bundle, app, "FREEHOLD_RIGHTS"), right);
}

bool peers_make(const struct bundle_app *apps, uint32_t count)
{
    critical_enter();
    page = vm_alloc(1, EXO_DATA);
    critical_exit();
    if (!page)
        return false;
    page->magic = EXO_DIRECTORY_MAGIC;
    page->count = count < EXO_DIRECTORY_ENTRIES ? count : EXO_DIRECTORY_ENTRIES;
    for (uint32_t i = 0; i < page->count; i++)
        memcpy(page->entries[i].name, apps[i].name, sizeof(page->entries[i].name));
    return true;
}

void peers_tell(uint32_t index, env_t env)
{
    if (!page || index >= EXO_DIRECTORY_ENTRIES)
        return;
    struct exo_directory_entry *entry = &page->entries[index];
    __atomic_add_fetch(&page->change, 1, __ATOMIC_SEQ_CST); /* odd before the entry changes */
    __atomic_store_n(&entry->env.n, env.n, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->starts, entry->starts + !!env.n, __ATOMIC_RELAXED);
    __atomic_add_fetch(&page->change, 1, __ATOMIC_SEQ_CST); /* even after it has */
}

frame_t peers_frame(void)
{
    return page ? vm_frame((uint64_t)page) : (frame_t){EXO_FRAME_NONE};
}
