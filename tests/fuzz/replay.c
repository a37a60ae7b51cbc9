/* SPDX-License-Identifier: MIT */
/*
 * replay.c - run a target with inputs from files, without a fuzzer.
 *
 * usage: replay_TARGET FILE_OR_FOLDER...
 */
#include "target.h"

#include <dirent.h>
#include <string.h>

#include "../unit/tap.h"

/* Everything in the file, in memory of its exact size; NULL and a sentence if it cannot be read. */
static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    long length = -1;

    if (file && !fseek(file, 0, SEEK_END))
        length = ftell(file);
    uint8_t *bytes = length >= 0 ? malloc((size_t)length + !length) : NULL;
    if (bytes) {
        rewind(file);
        if (fread(bytes, 1, (size_t)length, file) != (size_t)length) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (file)
        fclose(file);
    if (!bytes)
        printf("# %s cannot be read.\n", path);
    *size = (size_t)length;
    return bytes;
}

static void replay(const char *path)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);

    if (bytes) {
        printf("# %s\n", path); /* the last one named is the culprit when the program ends */
        fflush(stdout);
        LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
    tap_ok(bytes, "%s", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    char path[4096];

    for (int i = 1; i < argc; i++) {
        struct dirent **entries;
        int count = scandir(argv[i], &entries, not_hidden, alphasort);
        if (count < 0)
            replay(argv[i]);
        for (int j = 0; j < count; j++) {
            snprintf(path, sizeof(path), "%s/%s", argv[i], entries[j]->d_name);
            replay(path);
            free(entries[j]);
        }
        if (count >= 0)
            free(entries);
    }
    if (!tap_count)
        tap_ok(false, "there are inputs to replay");
    return tap_done();
}
