/* A notifier in this process in front of real stores, with receivers and channels. */
#ifndef TOCSIN_TESTS_INTEGRATION_SERVICES_NOTIFIER_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_SERVICES_NOTIFIER_FIXTURE_H

#include "channels/channel.h"
#include "services/notifier/notifier.h"
#include "store/channels.h"
#include "tests/kit/kit.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define RAW "0123456789abcdef0123456789abcdef"
#define SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
enum { SOON_MS = KIT_PATIENCE_MS, SMTP_TIMEOUT_MS = 1500 };

/* A notifier of our own, in this process: its metrics register once, so there is one at a time and
 * each test starts it anew with other settings. */
struct instance {
    struct conf conf;
    struct notifier n;
};

/* Set between fx_setup and fx_teardown. */
struct notifier_fixture {
    const char *database, *redis_url;
    struct db *db;
    struct uuid org;
    int counter;
    struct instance *running;
};

extern struct notifier_fixture fx;

struct instance *fx_start_with(const char *smtp_url, const char *ca_file, int64_t smtp_timeout_ms);
/* With no mail server. */
struct instance *fx_start(void);
void fx_stop(struct instance *i);
void fx_stop_within(struct instance *i, int64_t grace_ms);
/* Of the program. */
int fx_setup(void **state);
int fx_teardown(void **state);
/* What a failed test left running would take the next one's deliveries. */
int fx_stop_left(void **state);
/* Takes the reference to the configuration. */
struct uuid fx_add_channel(const char *type, json_t *config);
/* With a secret, a header of its own and a time limit. */
struct uuid fx_add_webhook(const char *url, double timeout_s);
/* Tells the notifier to look. */
void fx_wake(void);
/* An alert about an incident through a channel, or to a URL. */
struct uuid fx_add_alert(const struct uuid *channel, const char *type, const char *target);
/* The delivery as it is stored. */
struct delivery_row fx_look(const struct uuid *id, struct arena *arena);
bool fx_is_status(const struct uuid *id, const char *status);
/* Waits for the status. */
void fx_must_become(const struct uuid *id, const char *status);
/* Answers everything with this status. */
struct hook_peer *fx_receiver(int status);

#endif
