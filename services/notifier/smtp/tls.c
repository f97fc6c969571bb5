/* What a mail server must show before it is believed. */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "services/notifier/smtp/send.h"

#include "base/str.h"

/* libesmtp makes the SSL objects itself, so the name for SNI is set as the handshake begins. */
static void on_handshake(const SSL *ssl, int where, int ret)
{
    (void)ret;
    if (!(where & SSL_CB_HANDSHAKE_START) || SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name))
        return;
    const struct smtp_url *url = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (url && !url->is_ip)
        (void)SSL_set_tlsext_host_name((SSL *)ssl, url->host);
}

static bool set_up(SSL_CTX *tls, struct smtp_url *url, const char *ca_file)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(tls);
    const int named = url->is_ip ? X509_VERIFY_PARAM_set1_ip_asc(param, url->host)
                                 : X509_VERIFY_PARAM_set1_host(param, url->host, 0);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int trusted = str_is_empty(ca_file) ? SSL_CTX_set_default_verify_paths(tls)
                                              : SSL_CTX_load_verify_file(tls, ca_file);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_app_data(tls, url);
    SSL_CTX_set_info_callback(tls, on_handshake);
    /* A TLS 1.3 server sends session tickets on its own account. libesmtp 1.1 takes them for the
     * answer to what it has not flushed yet, and waits for ever. Our own handshakes lift this
     * again. */
    return named == 1 && trusted == 1 && SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION) == 1;
}

enum status smtp_server_init(struct smtp_server *s, const char *url, const char *ca_file,
                             struct errbuf *err)
{
    TRY(smtp_url_parse(url, &s->url, err));
    s->tls = SSL_CTX_new(TLS_client_method());
    if (!s->tls)
        return ST_NO_MEMORY;
    if (set_up(s->tls, &s->url, ca_file))
        return ST_OK;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    (void)err_set(err, ST_INVALID, "cannot prepare TLS: %s", reason ? reason : "unknown reason");
    ERR_clear_error();
    SSL_CTX_free(s->tls);
    s->tls = NULL;
    return ST_INVALID;
}

void smtp_server_done(struct smtp_server *s)
{
    SSL_CTX_free(s->tls);
    s->tls = NULL;
}
