// SPDX-License-Identifier: Apache-2.0
//
// paas-attacks: tries what an app must not be able to do, and says for each whether it was stopped. `paas doctor
// --sandbox` deploys it as an app. One line of JSON for each attack on standard output.
//
// Environment, all optional but PAAS_APP: ATTACK_LAYERS, the layers in force, with spaces between (an attack whose
// layer is not among them is left out); ATTACK_HOME, ATTACK_CGROUP, ATTACK_API_PORT, ATTACK_ROUTER_PORT: what of the
// platform to reach for; PORT with --serve.
#define _GNU_SOURCE
#include "attacks.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_EACH = 10, KILLED = 1000 };

static const struct attack_group *const groups[] = {
    &files_group, &process_group, &kernel_group, &socket_group, &network_group,
};

const char *path_below(const char *variable, const char *name) {
    static char path[4096];
    const char *directory = getenv(variable);
    if (directory == NULL || *directory == '\0') return NULL;
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    return length > 0 && (size_t)length < sizeof path ? path : NULL;
}

int with_child(int (*act)(int child)) {
    pid_t child = fork();
    if (child < 0) return CANNOT_TRY;
    if (child == 0) {
        for (;;) pause();
    }
    int result = act(child);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return result;
}

// In a child, so that what it changes goes with it. Its answer comes through a pipe, because an exit code has 8 bits.
static int try_in_child(const struct attack *attack) {
    int ends[2];
    if (pipe(ends) != 0) return CANNOT_TRY;
    pid_t child = fork();
    if (child < 0) return CANNOT_TRY;
    if (child == 0) {
        alarm(SECONDS_EACH);
        int result = attack->attack();
        _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
    }
    close(ends[1]);
    int result = CANNOT_TRY, status = 0;
    bool answered = read(ends[0], &result, sizeof result) == sizeof result;
    close(ends[0]);
    waitpid(child, &status, 0);
    if (answered) return result;
    return WIFSIGNALED(status) ? KILLED + WTERMSIG(status) : CANNOT_TRY;
}

static bool has_word(const char *text, const char *word) {
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += length) {
        bool begins = at == text || at[-1] == ' ', ends = at[length] == ' ' || at[length] == '\0';
        if (begins && ends) return true;
    }
    return false;
}

static bool has_succeeded(const struct attack *attack, int result) {
    if (result == 0) return true;
    if (attack->success == WORKS || result >= KILLED) return false;
    return result != EPERM && result != EACCES && result != ENOSYS && result != EROFS;
}

static void describe(const struct attack_group *group, const struct attack *attack, const char *outcome,
                     const char *seen) {
    // The table's texts need no escapes.
    printf("{\"case\":\"%s\",\"area\":\"%s\",\"act\":\"%s\",\"defence\":\"%s\",\"openedBy\":\"%s\",\"outcome\":\"%s\","
           "\"seen\":\"%s\",\"unshown\":\"%s\"}\n",
           attack->name, group->name, attack->act, attack->defence, attack->opened_by, outcome, seen,
           attack->unshown != NULL ? attack->unshown : "");
    fflush(stdout);
}

static bool run(const struct attack_group *group, const struct attack *attack) {
    const char *layers = getenv("ATTACK_LAYERS");
    if (attack->needs != NULL && layers != NULL && !has_word(layers, attack->needs)) {
        describe(group, attack, "skipped", attack->needs);
        return true;
    }
    int result = try_in_child(attack);
    if (result == CANNOT_TRY) {
        describe(group, attack, "skipped", "not possible here");
        return true;
    }
    char seen[64] = "done";
    if (result >= KILLED) snprintf(seen, sizeof seen, "killed by SIG%s", sigabbrev_np(result - KILLED));
    else if (result > 0) snprintf(seen, sizeof seen, "%s", strerrorname_np(result));
    bool succeeded = has_succeeded(attack, result);
    describe(group, attack, succeeded ? "succeeded" : "stopped", seen);
    return !succeeded;
}

// Answers every request with an empty page: for the platform the app is healthy, and the report is in its log.
static _Noreturn void serve(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *port = getenv("PORT");
    address.sin_port = htons((uint16_t)(port != NULL ? atoi(port) : 0));
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 16) != 0) {
        perror("paas-attacks: PORT");
        exit(1);
    }
    for (;;) {
        int client = accept(server, NULL, NULL);
        if (client < 0) continue;
        static const char answer[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        if (send(client, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0) perror("paas-attacks: send");
        close(client);
    }
}

int main(int count, char **arguments) {
    const char *only = count == 3 && strcmp(arguments[1], "--only") == 0 ? arguments[2] : NULL;
    bool list = count == 2 && strcmp(arguments[1], "--list") == 0;
    bool serves = count == 2 && strcmp(arguments[1], "--serve") == 0;
    if (count > 1 && only == NULL && !list && !serves) {
        fprintf(stderr, "usage: paas-attacks [--list | --only CASE | --serve]\n");
        return 64;
    }
    if (!list && getenv("PAAS_APP") == NULL) {
        fprintf(stderr, "paas-attacks runs inside an app only: see 'paas doctor --sandbox'\n");
        return 64;
    }
    bool all_stopped = true, found = false;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        for (size_t i = 0; i < groups[g]->count; i++) {
            const struct attack *attack = &groups[g]->attacks[i];
            if (only != NULL && strcmp(only, attack->name) != 0) continue;
            found = true;
            if (list) describe(groups[g], attack, "", "");
            else if (!run(groups[g], attack)) all_stopped = false;
        }
    }
    if (only != NULL && !found) {
        fprintf(stderr, "paas-attacks: there is no case '%s'; see --list\n", only);
        return 64;
    }
    if (serves) serve();
    return all_stopped ? 0 : 1;
}
