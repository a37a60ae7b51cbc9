/* SPDX-License-Identifier: MIT */
/*
 * orphans.c - environments that applications made, and left behind when they ended.
 *
 * Those of a steward are applications of the bundle and live on (apps_adopt); others are ended.
 *
 * The kernel makes them init's. Who they are stands in the table of accounts, which lags behind a
 * little: so it is looked at until nothing has been found in it for a while. It only names them; whether
 * one is init's now is asked of the kernel.
 */
#include "orphans.h"

#include <stdio.h>
#include <string.h>

#include "apps.h"
#include "child.h"
#include "libos.h"
#include "readable.h"

#define LOOK_NS  UINT64_C(50000000)   /* from one look to the next */
#define QUIET_NS UINT64_C(2000000000) /* more than the table can lag (facts.h) */

static uint64_t until; /* 0: none are expected */

void orphans_expect(void)
{
    until = time_ns() + QUIET_NS;
}

bool orphans_expected(void)
{
    return until != 0;
}

static bool is_app(env_t env)
{
    for (uint32_t i = 0; i < app_count; i++)
        if (apps[i].env.n == env.n)
            return true;
    return false;
}

struct label {
    char name[sizeof(((struct exo_account *)0)->label) + 1];
};

static struct label label_of(const volatile struct exo_account *account)
{
    struct label label = {""};

    for (uint32_t i = 0; i < sizeof(account->label); i++)
        label.name[i] = account->label[i];
    return label;
}

env_t orphan_to_be(env_t parent, const char *name)
{
    uint32_t count;
    const volatile struct exo_account *account = readable_accounts(&count);

    for (uint32_t slot = 0; account && slot < count; slot++) {
        env_t env = account[slot].name;
        if (env.n && exo_info(EXO_INFO_ENV, env.n, EXO_ENV_PARENT) == parent.n &&
            !strcmp(label_of(&account[slot]).name, name))
            return env;
    }
    return (env_t){EXO_ENV_SELF};
}

/* Is it an application that lives on? */
static bool is_kept(env_t env, const volatile struct exo_account *account)
{
    if (exo_info(EXO_INFO_ENV, env.n, EXO_ENV_STATE) == EXO_ENV_EMBRYO)
        return false;
    if (account->state == EXO_ENV_EMBRYO)
        return true; /* the table is yet to say what it is called */
    return apps_adopt(env, label_of(account).name);
}

uint64_t orphans_look_after(void)
{
    uint32_t count, found = 0;
    int64_t self = exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);
    const volatile struct exo_account *account;

    if (!until)
        return 0;
    account = readable_accounts(&count);
    for (uint32_t slot = 0; account && slot < count; slot++) {
        env_t env = account[slot].name;
        if (!env.n || is_app(env) || exo_info(EXO_INFO_ENV, env.n, EXO_ENV_PARENT) != self)
            continue;
        if (is_kept(env, &account[slot]))
            continue;
        exo_env_kill(env, 0);
        child_reclaim(env);
        found++;
    }
    if (found) {
        printf("%u environments that applications left behind are taken back\n", found);
        orphans_expect();
    }
    if (time_ns() >= until)
        until = 0;
    return until ? time_ns() + LOOK_NS : 0;
}
