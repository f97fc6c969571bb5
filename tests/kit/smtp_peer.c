/* A scripted mail server. */
#include "tests/kit/smtp_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "tests/kit/kit.h"

enum { LINE = 2048, TEXT = 1 << 20 };

struct smtp_peer {
    int listener, port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct smtp_script script;
    SSL_CTX *tls;
    char ca_file[512];
    _Atomic bool is_stopping;
    size_t mails, connections;
    bool had_tls;
    struct buf text;
    char envelope[LINE], auth[LINE];
};

struct talk {
    struct smtp_peer *p;
    struct smtp_script script;
    int fd;
    SSL *ssl;
    char in[LINE];
    size_t in_len;
    struct buf text;
    char envelope[LINE], auth[LINE];
};

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    (void)X509_set_version(cert, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                     -1, -1, 0);
    (void)X509_set_issuer_name(cert, name);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
                                                "DNS:localhost,IP:127.0.0.1");
    (void)X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

static void make_tls(struct smtp_peer *p)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    X509 *cert = make_certificate(key);
    p->tls = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(p->tls, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(p->tls, key), 1);
    (void)snprintf(p->ca_file, sizeof(p->ca_file), "%s/smtp-%d.pem", kit_dir(), p->port);
    FILE *f = fopen(p->ca_file, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, cert), 1);
    (void)fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* One byte, or -1 at the end, or when the peer is stopping. */
static int get_byte(struct talk *t)
{
    unsigned char c = 0;
    while (!(t->ssl && SSL_pending(t->ssl) > 0)) {
        struct pollfd fd = {.fd = t->fd, .events = POLLIN};
        if (t->p->is_stopping)
            return -1;
        if (poll(&fd, 1, 50) > 0)
            break;
    }
    const int n = t->ssl ? SSL_read(t->ssl, &c, 1) : (int)recv(t->fd, &c, 1, 0);
    return n == 1 ? c : -1;
}

static bool get_line(struct talk *t)
{
    t->in_len = 0;
    for (;;) {
        const int c = get_byte(t);
        if (c < 0)
            return false;
        if (c == '\n')
            break;
        if (t->in_len + 1 < sizeof(t->in))
            t->in[t->in_len++] = (char)c;
    }
    while (t->in_len > 0 && t->in[t->in_len - 1] == '\r')
        t->in_len--;
    t->in[t->in_len] = '\0';
    return true;
}

static void put(struct talk *t, const char *text)
{
    const size_t len = strlen(text);
    if (t->ssl)
        (void)SSL_write(t->ssl, text, (int)len);
    else
        (void)!send(t->fd, text, len, MSG_NOSIGNAL);
}

/* false: the conversation is over. */
static bool answer(struct talk *t, const char *scripted, const char *friendly)
{
    const char *text = scripted ? scripted : friendly;
    if (str_eq(text, "drop"))
        return false;
    if (str_eq(text, "hang")) {
        while (get_byte(t) >= 0)
            ;
        return false;
    }
    char line[LINE];
    (void)snprintf(line, sizeof(line), "%s\r\n", text);
    put(t, line);
    return true;
}

static bool begin_tls(struct talk *t)
{
    t->ssl = SSL_new(t->p->tls);
    (void)SSL_set_fd(t->ssl, t->fd);
    return SSL_accept(t->ssl) == 1;
}

static bool starttls(struct talk *t)
{
    if (t->script.starttls)
        return answer(t, t->script.starttls, "");
    put(t, t->script.injects ? "220 go\r\n250 injected\r\n" : "220 go\r\n");
    return begin_tls(t);
}

static void keep(struct talk *t)
{
    struct smtp_peer *p = t->p;
    (void)pthread_mutex_lock(&p->lock);
    buf_reset(&p->text);
    buf_append(&p->text, t->text.data, t->text.len);
    memcpy(p->envelope, t->envelope, sizeof(p->envelope));
    memcpy(p->auth, t->auth, sizeof(p->auth));
    p->had_tls = t->ssl != NULL;
    p->mails++;
    (void)pthread_mutex_unlock(&p->lock);
}

static bool trickle(struct talk *t)
{
    put(t, "250-");
    while (!t->p->is_stopping) {
        struct pollfd fd = {.fd = t->fd, .events = POLLIN};
        put(t, "x");
        if (poll(&fd, 1, 20) > 0)
            return false;
    }
    return false;
}

static bool take_data(struct talk *t)
{
    if (str_ends(t->envelope, "> "))
        return answer(t, NULL, "503 to whom?");
    if (!answer(t, t->script.data, "354 go on"))
        return false;
    if (t->script.data)
        return true;
    buf_reset(&t->text);
    for (;;) {
        if (!get_line(t))
            return false;
        if (str_eq(t->in, "."))
            break;
        const char *line = t->in[0] == '.' ? t->in + 1 : t->in;
        buf_str(&t->text, line);
        buf_str(&t->text, "\r\n");
    }
    if (t->script.trickles)
        return trickle(t);
    if (!t->script.end || t->script.end[0] == '2' || str_eq(t->script.end, "drop"))
        keep(t);
    return answer(t, t->script.end, "250 taken");
}

static bool recipient(struct talk *t)
{
    const char *address = strchr(t->in, '<');
    address = address ? address + 1 : "";
    if (str_starts(address, "refused"))
        return answer(t, "550 no such person", "");
    if (str_starts(address, "busy"))
        return answer(t, "450 come back later", "");
    const size_t used = strlen(t->envelope);
    const bool is_first = used > 0 && str_ends(t->envelope, "> ");
    (void)snprintf(t->envelope + used, sizeof(t->envelope) - used, "%s%.*s", is_first ? "" : ", ",
                   (int)strcspn(address, ">"), address);
    return answer(t, NULL, "250 fine");
}

static bool sender(struct talk *t)
{
    const char *address = strchr(t->in, '<');
    address = address ? address + 1 : "";
    (void)snprintf(t->envelope, sizeof(t->envelope), "%.*s > ", (int)strcspn(address, ">"),
                   address);
    return answer(t, t->script.mail, "250 fine");
}

static bool is_command(const struct talk *t, const char *verb)
{
    return strncasecmp(t->in, verb, strlen(verb)) == 0;
}

static bool command(struct talk *t)
{
    if (is_command(t, "EHLO"))
        return answer(t, t->script.ehlo,
                      t->script.offers_starttls && !t->ssl
                          ? "250-peer\r\n250-STARTTLS\r\n250 8BITMIME"
                          : "250-peer\r\n250-AUTH PLAIN\r\n250 8BITMIME");
    if (is_command(t, "HELO"))
        return answer(t, t->script.ehlo, "250 peer");
    if (is_command(t, "STARTTLS"))
        return starttls(t);
    if (is_command(t, "AUTH")) {
        (void)str_copy(t->auth, sizeof(t->auth), t->in);
        return answer(t, t->script.auth, "235 welcome");
    }
    if (is_command(t, "MAIL"))
        return sender(t);
    if (is_command(t, "RCPT"))
        return recipient(t);
    if (is_command(t, "DATA"))
        return take_data(t);
    if (is_command(t, "QUIT")) {
        (void)answer(t, NULL, "221 bye");
        return false;
    }
    return answer(t, NULL,
                  is_command(t, "RSET") || is_command(t, "NOOP") ? "250 fine" : "502 what?");
}

static void *talk_run(void *arg)
{
    struct talk *t = arg;
    buf_init(&t->text, TEXT);
    bool goes_on = !t->script.is_implicit_tls || begin_tls(t);
    goes_on = goes_on && answer(t, t->script.greeting, "220 peer");
    while (goes_on && get_line(t))
        goes_on = command(t);
    SSL_free(t->ssl);
    (void)close(t->fd);
    buf_done(&t->text);
    free(t);
    return NULL;
}

static void *accept_run(void *arg)
{
    struct smtp_peer *p = arg;
    pthread_t threads[256];
    size_t count = 0;
    while (!p->is_stopping && count < 256) {
        struct pollfd fd = {.fd = p->listener, .events = POLLIN};
        if (poll(&fd, 1, 50) <= 0)
            continue;
        struct talk *t = calloc(1, sizeof(*t));
        if (!t)
            break;
        t->p = p;
        t->fd = accept(p->listener, NULL, NULL);
        (void)pthread_mutex_lock(&p->lock);
        t->script = p->script;
        p->connections++;
        (void)pthread_mutex_unlock(&p->lock);
        if (pthread_create(&threads[count], NULL, talk_run, t) == 0)
            count++;
    }
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    return NULL;
}

struct smtp_peer *smtp_peer_start(const struct smtp_script *script)
{
    struct smtp_peer *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    p->script = *script;
    buf_init(&p->text, TEXT);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(p->listener, 64), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&a, &len), 0);
    p->port = ntohs(a.sin_port);
    make_tls(p);
    (void)pthread_mutex_init(&p->lock, NULL);
    assert_int_equal(pthread_create(&p->thread, NULL, accept_run, p), 0);
    return p;
}

void smtp_peer_stop(struct smtp_peer *p)
{
    p->is_stopping = true;
    (void)pthread_join(p->thread, NULL);
    (void)close(p->listener);
    SSL_CTX_free(p->tls);
    buf_done(&p->text);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

int smtp_peer_port(const struct smtp_peer *p)
{
    return p->port;
}

const char *smtp_peer_ca_file(const struct smtp_peer *p)
{
    return p->ca_file;
}

void smtp_peer_script(struct smtp_peer *p, const struct smtp_script *script)
{
    (void)pthread_mutex_lock(&p->lock);
    p->script = *script;
    (void)pthread_mutex_unlock(&p->lock);
}

static size_t locked(struct smtp_peer *p, const size_t *value)
{
    (void)pthread_mutex_lock(&p->lock);
    const size_t v = *value;
    (void)pthread_mutex_unlock(&p->lock);
    return v;
}

size_t smtp_peer_mails(struct smtp_peer *p)
{
    return locked(p, &p->mails);
}

size_t smtp_peer_connections(struct smtp_peer *p)
{
    return locked(p, &p->connections);
}

const char *smtp_peer_text(struct smtp_peer *p)
{
    return buf_cstr(&p->text);
}

const char *smtp_peer_envelope(struct smtp_peer *p)
{
    return p->envelope;
}

const char *smtp_peer_auth(struct smtp_peer *p)
{
    return p->auth;
}

bool smtp_peer_had_tls(struct smtp_peer *p)
{
    return p->had_tls;
}
