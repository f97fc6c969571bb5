/* Giving tickets out and taking them back. */
#include "store/ws_tickets.h"

#include <string.h>

#include "gen/queries.h"
#include "store/api_keys.h"
#include "store/tokens.h"
#include "store/users.h"

enum status ws_ticket_issue(struct db *db, const struct principal *who, struct arena *arena,
                            char ticket[SECRET_TOKEN_BYTES])
{
    unsigned char hash[API_KEY_HASH_BYTES];
    char text[SECRET_TOKEN_BYTES];
    secret_token_new(text);
    secret_hash(text, hash);
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_bytes(&a, hash, sizeof(hash));
    db_arg_uuid(&a, &who->user_id);
    db_arg_uuid(&a, &who->api_key_id);
    db_arg_uuid(&a, &who->session);
    db_arg_i64(&a, WS_TICKET_LIFE_S);
    TRY(db_query(db, &Q_WS_TICKET_INSERT, &a, NULL));
    memcpy(ticket, text, sizeof(text));
    return ST_OK;
}

/* Of a person: with his session while that lives, or without one behind a proxy. */
static enum status person(struct db *db, const struct uuid *id, const struct uuid *session,
                          struct arena *arena, struct principal *out)
{
    struct user user;
    struct session s;
    TRY(user_get(db, id, arena, &user));
    if (!user.is_active)
        return ST_UNAUTHENTICATED;
    if (!uuid_is_nil(session)) {
        TRY(session_find(db, id, session, arena, &s));
        if (!s.is_live)
            return ST_UNAUTHENTICATED;
    }
    *out = (struct principal){.org_id = user.org_id,
                              .user_id = user.id,
                              .session = *session,
                              .role = user.role,
                              .scopes = role_scopes(user.role)};
    return ST_OK;
}

enum status ws_ticket_redeem(struct db *db, const char *ticket, struct arena *arena,
                             struct principal *out)
{
    unsigned char hash[API_KEY_HASH_BYTES];
    if (strnlen(ticket, SECRET_TOKEN_BYTES) >= SECRET_TOKEN_BYTES)
        return ST_UNAUTHENTICATED;
    secret_hash(ticket, hash);
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_bytes(&a, hash, sizeof(hash));
    AUTO_RESULT r = NULL;
    enum status st = db_query_one(db, &Q_WS_TICKET_REDEEM, &a, &r);
    if (st == ST_OK && row_bool(r, 0, "is_expired"))
        st = ST_UNAUTHENTICATED;
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_UNAUTHENTICATED : st;

    const struct uuid user = row_uuid(r, 0, "user_id"), key = row_uuid(r, 0, "api_key_id"),
                      session = row_uuid(r, 0, "session");
    st = uuid_is_nil(&key) ? person(db, &user, &session, arena, out)
                           : api_key_principal(db, &key, arena, out);
    return st == ST_NOT_FOUND ? ST_UNAUTHENTICATED : st;
}
