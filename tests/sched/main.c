/* SPDX-License-Identifier: MIT */
/*
 * main.c - simulate POLICY WORKLOAD [TRACE]: runs the workload in that file, writes what came of it.
 * Without a policy: the names of all that there are.
 *
 * Exit status: 0 done, 1 the policy broke its contract, 2 the command line or the workload is wrong.
 */
#include "sim.h"

#include <stdio.h>
#include <string.h>

int main(int count, char **words)
{
    static struct sim_workload workload;
    static struct sim_result result;
    const struct sched *policy = NULL;
    char error[160] = "";

    for (unsigned i = 0; i < sched_policy_count; i++) {
        if (count < 2)
            puts(sched_policies[i]->name);
        else if (!strcmp(sched_policies[i]->name, words[1]))
            policy = sched_policies[i];
    }
    if (count < 2)
        return 0;
    FILE *file = count > 2 ? fopen(words[2], "r") : NULL;
    if (!file) {
        fprintf(stderr, "there is no workload to read\n");
        return 2;
    }
    if (!policy) {
        fprintf(stderr, "there is no policy %s\n", words[1]);
        return 2;
    }
    if (!workload_read(file, &workload, error, sizeof(error))) {
        fprintf(stderr, "the workload is wrong: %s\n", error);
        return 2;
    }
    fclose(file);
    FILE *trace = count > 3 ? fopen(words[3], "w") : NULL;
    if (count > 3 && !trace) {
        fprintf(stderr, "%s cannot be written\n", words[3]);
        return 2;
    }
    sim_run(&workload, policy, trace, &result);
    if (trace)
        fclose(trace);
    result_write(stdout, &workload, &result);
    bool broken = result.broken || result.watch.verdict;
    sim_free(&result);
    return broken;
}
