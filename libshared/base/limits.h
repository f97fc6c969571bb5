/* Every limit of the system in one place: what it bounds, its unit, and why that number. */
#ifndef TOCSIN_BASE_LIMITS_H
#define TOCSIN_BASE_LIMITS_H

/* HTTP requests to our own servers */
#define LIMIT_HTTP_BODY_BYTES (1u << 20)    /* a JSON body of the API */
#define LIMIT_INGEST_BODY_BYTES (16u << 20) /* a backlog of metrics, after decompression */
#define LIMIT_HTTP_TARGET_BYTES 8192u       /* path and query */
#define LIMIT_HTTP_HEADERS_BYTES 16384u     /* all header lines of a request */
#define LIMIT_HTTP_HEADERS_COUNT 100u
#define LIMIT_HTTP_REPLY_BYTES (32u << 20)
#define LIMIT_HTTP_HEADER_MS 10000 /* a client has this long to send its headers */
#define LIMIT_HTTP_BODY_MS 30000   /* … and its body */
#define LIMIT_HTTP_IDLE_S 60u      /* keep-alive without a request */
#define LIMIT_HTTP_PATH_PARAMS 4
#define LIMIT_HTTP_QUERY_PARAMS 64
#define LIMIT_REQUEST_ARENA_BYTES (64u << 20)

/* JSON from outside */
#define LIMIT_JSON_DEPTH 32
#define LIMIT_VALIDATION_ERRORS 32

/* Tokens and passwords */
#define LIMIT_TOKEN_BYTES 4096
#define LIMIT_PASSWORD_BYTES 1024
#define LIMIT_KEY_MIN_BYTES 32

/* Jobs */
#define LIMIT_JOB_ARGS_BYTES 65536u
#define LIMIT_JOB_CHECKS 64        /* due checks that one scheduled job carries */
#define LIMIT_QUEUE_LENGTH 1000000 /* entries of one stream before it refuses */

/* Checks */
#define LIMIT_CHECK_NAME 200
#define LIMIT_URL_BYTES 4096
#define LIMIT_SCHEDULE_TEXT 200
#define LIMIT_SCHEDULE_MIN_MS 1000
#define LIMIT_SCHEDULE_MAX_MS (366LL * 24 * 3600 * 1000)
#define LIMIT_PROBE_TIMEOUT_MS 120000
#define LIMIT_PROBE_BODY_BYTES (1u << 20)
#define LIMIT_PROBE_HEADERS_BYTES 65536u
#define LIMIT_PROBE_REDIRECTS 10
#define LIMIT_RESULT_MESSAGE 1024
#define LIMIT_RESULT_RAW_BYTES 65536u
#define LIMIT_RECORD_BATCH 500 /* results in one transaction */

/* Notifications */
#define LIMIT_WEBHOOK_TIMEOUT_MS 15000
#define LIMIT_SMTP_TIMEOUT_MS 30000
#define LIMIT_NOTIFY_BATCH 64
#define LIMIT_NOTIFY_ATTEMPTS 10

/* Metrics */
#define LIMIT_METRICS_PER_POST 20000
#define LIMIT_SERIES_PER_HOST 20000
#define LIMIT_METRIC_STREAM_BYTES (8u << 20) /* one entry */
#define LIMIT_METRIC_STREAM_LENGTH 100000

/* Database and Redis */
#define LIMIT_DB_PARAMS 40
#define LIMIT_DB_STATEMENT_MS 15000
#define LIMIT_REDIS_COMMAND_MS 5000
#define LIMIT_LOG_LINE_BYTES 8192u

#endif
