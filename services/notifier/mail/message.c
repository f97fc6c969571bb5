/* The mail about an event. */
#include "services/notifier/mail/message.h"

#include <stdio.h>
#include <time.h>

#include "services/notifier/mail/encode.h"

enum { TEXT_MAX_BYTES = 32 << 10, SUBJECT_MAX_BYTES = 400 };

static void date_header(struct buf *out, int64_t now_s)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t at = (time_t)now_s;
    struct tm t;
    if (!gmtime_r(&at, &t))
        return;
    buf_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[t.tm_wday % 7], t.tm_mday,
               months[t.tm_mon % 12], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static void subject_header(struct buf *out, const struct mail_about *mail)
{
    const struct event_view *e = mail->event;
    struct buf subject;
    buf_init(&subject, SUBJECT_MAX_BYTES * 8);
    buf_printf(&subject, "%s[%s] %s", mail->subject_prefix, e->label, e->name);
    if (e->message[0])
        buf_printf(&subject, " \xe2\x80\x94 %s", e->message);
    /* Cut between characters: what is long is in the body in full. */
    size_t len = MIN_OF(subject.len, (size_t)SUBJECT_MAX_BYTES);
    while (len > 0 && len < subject.len && ((unsigned char)subject.data[len] & 0xc0) == 0x80)
        len--;
    if (subject.data)
        subject.data[len] = '\0';
    mail_header(out, "Subject", buf_cstr(&subject));
    buf_done(&subject);
}

static void headers(struct buf *out, const struct mail_about *mail)
{
    date_header(out, mail->now_s);
    mail_header_mailbox(out, "From", mail->from->name, mail->from->address);
    buf_str(out, "To:");
    for (size_t i = 0; i < mail->to_count; i++)
        buf_printf(out, "%s<%s>", i ? ",\r\n " : " ", mail->to[i]);
    buf_str(out, "\r\n");
    subject_header(out, mail);
    buf_printf(out, "Message-ID: <%s@%s>\r\n", mail->key, mailbox_domain(mail->from));
    buf_str(out, "Auto-Submitted: auto-generated\r\n"
                 "MIME-Version: 1.0\r\n");
    buf_printf(out, "Content-Type: multipart/alternative; boundary=\"=_%s\"\r\n\r\n", mail->key);
}

struct line {
    const char *title, *value;
};
enum { LINES_MAX = 8 };

static size_t lines_of(const struct event_view *e, struct line out[LINES_MAX])
{
    const struct line all[LINES_MAX] = {
        {"State", e->state},        {"Before", e->previous_state}, {"Severity", e->severity},
        {"Kind", e->kind},          {"Target", e->target},         {"At", e->at},
        {"Started", e->started_at}, {"Lasted", e->duration},
    };
    size_t n = 0;
    for (size_t i = 0; i < LINES_MAX; i++) {
        if (all[i].value[0])
            out[n++] = all[i];
    }
    return n;
}

static void text_body(struct buf *out, const struct event_view *e)
{
    struct line lines[LINES_MAX];
    const size_t count = lines_of(e, lines);
    buf_printf(out, "%s: %s\n", e->label, e->name);
    if (e->message[0])
        buf_printf(out, "\n%s\n", e->message);
    buf_char(out, '\n');
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%-9s %s\n", lines[i].title, lines[i].value);
    buf_printf(out, "\n%s\n", e->link);
}

static void html_body(struct buf *out, const struct event_view *e)
{
    struct line lines[LINES_MAX];
    const size_t count = lines_of(e, lines);
    buf_str(out, "<!DOCTYPE html>\n<html><body style=\"font-family:sans-serif\">\n<h2>");
    mail_html_escape(out, e->label);
    buf_str(out, ": ");
    mail_html_escape(out, e->name);
    buf_str(out, "</h2>\n<p>");
    mail_html_escape(out, e->message);
    buf_str(out, "</p>\n<table>\n");
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "<tr><th align=\"left\">%s</th><td>", lines[i].title);
        mail_html_escape(out, lines[i].value);
        buf_str(out, "</td></tr>\n");
    }
    buf_str(out, "</table>\n<p><a href=\"");
    mail_html_escape(out, e->link);
    buf_str(out, "\">");
    mail_html_escape(out, e->link);
    buf_str(out, "</a></p>\n</body></html>\n");
}

typedef void body_fn(struct buf *out, const struct event_view *e);

static void part(struct buf *out, const struct mail_about *mail, const char *type, body_fn *body)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    body(&text, mail->event);
    buf_printf(out,
               "--=_%s\r\nContent-Type: text/%s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
               mail->key, type);
    mail_quoted_printable(out, buf_cstr(&text), text.len);
    buf_str(out, "\r\n");
    out->failed = out->failed || text.failed;
    buf_done(&text);
}

void mail_message(struct buf *out, const struct mail_about *mail)
{
    headers(out, mail);
    part(out, mail, "plain", text_body);
    part(out, mail, "html", html_body);
    buf_printf(out, "--=_%s--\r\n", mail->key);
}
