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
#define LIMIT_HTTP_PATH_SEGMENTS 16
#define LIMIT_HTTP_BATCH 32                  /* requests that one query may answer */
#define LIMIT_HTTP_BODIES_BYTES (256u << 20) /* of all requests of a server that are being read */
#define LIMIT_HTTP_DISCARD_BYTES (8u << 20)  /* of a refused body that are read before the reply */
/* Connections that are closed with a body still on its way (RFC 9112, section 9.6): how many, for
 * how long in all and since the last byte, and how many bytes of each. */
#define LIMIT_HTTP_LINGERING 64
#define LIMIT_HTTP_LINGER_MS 30000
#define LIMIT_HTTP_LINGER_IDLE_MS 2000
#define LIMIT_HTTP_LINGER_BYTES (32u << 20)
/* A connection's memory: target, headers, reply headers. libmicrohttpd clears all of it after each
 * request, so no more than the limits above need. */
#define LIMIT_HTTP_CONNECTION_BYTES (40u << 10)
#define LIMIT_HTTP_REQUEST_ID_BYTES 64
#define LIMIT_HTTP_GZIP_MIN_BYTES 1024u /* a smaller reply is not worth compressing */
#define LIMIT_HTTP_QUERY_PARAMS 64
#define LIMIT_REQUEST_ARENA_BYTES (64u << 20)

/* JSON from outside */
#define LIMIT_JSON_DEPTH 32
#define LIMIT_VALIDATION_ERRORS 32
#define LIMIT_YAML_NODES 200000 /* of a document, with its aliases expanded */

/* Tokens and passwords */
#define LIMIT_TOKEN_BYTES 4096
#define LIMIT_PASSWORD_BYTES 1024
#define LIMIT_PASSWORD_MIN 8 /* NIST SP 800-63B, 5.1.1.2 */
#define LIMIT_KEY_MIN_BYTES 32

/* Jobs */
#define LIMIT_JOB_ARGS_BYTES 65536u
#define LIMIT_JOB_CHECKS 64        /* due checks that one scheduled job carries */
#define LIMIT_QUEUE_LENGTH 1000000 /* entries of one stream before it refuses */
#define LIMIT_DEAD_LETTERS 100000  /* of one queue; the oldest go first */
#define LIMIT_ENQUEUE_BATCH 500    /* jobs that one script adds: Redis serves nobody else */
#define LIMIT_FETCH_BATCH 500
#define LIMIT_JOB_RESULT_BYTES 65536u
#define LIMIT_JOB_EVENTS 10000         /* kept of one queue, about */
#define LIMIT_JOB_LIST 500             /* jobs on one page */
#define LIMIT_JOB_COUNT 5000           /* jobs that a list looks at to count them */
#define LIMIT_JOB_SCAN 20000           /* entries looked at to find one job */
#define LIMIT_GROUP_JOBS 10000         /* members of one group */
#define LIMIT_GROUP_RESULTS 1000       /* … whose results its callback can be given */
#define LIMIT_CHAIN_JOBS 16            /* jobs of one chain */
#define LIMIT_JOB_DELAY_S 2592000      /* how long one that is asked for may wait */
#define LIMIT_OUTBOX_WAITING 100000    /* jobs in PostgreSQL before no more are taken */
#define LIMIT_PREVIOUS_BYTES 32768u    /* of what a job is told of those before it */
#define LIMIT_RATE_RULES 256           /* tasks of a queue with a limit of their own */
#define LIMIT_JOB_CANCEL_MS 86400000LL /* how long a cancel is remembered */
#define LIMIT_JOB_ONCE_MS 86400000LL   /* how long keys are, unless said otherwise */

/* Tasks in executors */
#define LIMIT_WORKER_QUEUES 32     /* that one worker serves: a thread and a connection each */
#define LIMIT_EXECUTORS 256        /* processes of one worker */
#define LIMIT_TASK_REASON 512      /* bytes of why an attempt failed */
#define LIMIT_TASK_PROGRESS 96     /* bytes of how far it is */
#define LIMIT_TASK_START_MS 10000  /* an executor must be there by then */
#define LIMIT_TASK_MS 86400000LL   /* an attempt of a job that names no time limit */
#define LIMIT_TASK_PREFETCH 256    /* jobs of one queue that wait in a worker for an executor */
#define LIMIT_TASK_PREFETCH_MS 100 /* … and that much work at most, by what the last ones took */
#define LIMIT_TASK_HOLD_MS 2000    /* … that long, then they go back for other workers */

/* Checks */
#define LIMIT_CHECK_NAME 200
#define LIMIT_URL_BYTES 4096
#define LIMIT_SCHEDULE_TEXT 200
#define LIMIT_SCHEDULE_MIN_MS 1000
#define LIMIT_SCHEDULE_MAX_MS (366LL * 24 * 3600 * 1000)
#define LIMIT_SCHEDULES 100000    /* of tasks, in one scheduler */
#define LIMIT_SCHEDULES_ORG 10000 /* … of one organisation */
#define LIMIT_SCHEDULE_JITTER_MS 3600000
#define LIMIT_SCHEDULE_EXPIRES_MS (366LL * 24 * 3600 * 1000)
#define LIMIT_SCHEDULE_PREVIEW 100 /* instants that one asks for at a time */
#define LIMIT_TZ_CHANGES 5000      /* of one zone's file; the longest has some 240 */
#define LIMIT_TZ_FILE_BYTES (64u << 10)
#define LIMIT_TZ_NAME 63
#define LIMIT_TZ_CACHED 1000 /* zones in memory, some 3 KB each; there are about 600 */
#define LIMIT_PROBE_TIMEOUT_MS 120000
#define LIMIT_PROBE_BODY_BYTES (1u << 20)
#define LIMIT_PROBE_HEADERS_BYTES 65536u
#define LIMIT_PROBE_REDIRECTS 10
#define LIMIT_RESULT_MESSAGE 1024
#define LIMIT_RESULT_RAW_BYTES 65536u
#define LIMIT_TRANSFER_CHECKS 2000      /* of one import or export */
#define LIMIT_TRANSFER_BYTES (4u << 20) /* of a file */
#define LIMIT_BULK_CHECKS 1000          /* of one bulk action */
#define LIMIT_BATCH_CHECKS 200          /* of one request that runs several */
#define LIMIT_BATCH_JOBS 20000          /* of all such requests of a process */
#define LIMIT_BATCH_WORKERS 100         /* of one such request, at a time */
#define LIMIT_BATCH_TIMEOUT_S 300
#define LIMIT_RECORD_BATCH 500                             /* results in one transaction */
#define LIMIT_CHECK_HOURS_MS (100LL * 24 * 3600 * 1000)    /* how long totals of hours are kept */
#define LIMIT_STATS_SPAN_US (1100LL * 24 * 3600 * 1000000) /* longest window of statistics */

/* Notifications */
#define LIMIT_WEBHOOK_TIMEOUT_MS 15000
#define LIMIT_NOTIFY_BATCH 64
#define LIMIT_NOTIFY_ATTEMPTS 10
#define LIMIT_NOTIFY_WEBHOOKS 128           /* requests in flight of one notifier */
#define LIMIT_NOTIFY_ENDPOINT 4             /* … of them to one endpoint */
#define LIMIT_NOTIFY_ENDPOINTS 4096         /* endpoints whose health is remembered */
#define LIMIT_NOTIFY_RETRY_AFTER_MS 3600000 /* a receiver may ask for that much patience */
#define LIMIT_NOTIFY_ERROR_BYTES 512
#define LIMIT_MAIL_BYTES (256u << 10)

/* Metrics */
#define LIMIT_METRICS_PER_POST 20000
#define LIMIT_SERIES_PER_HOST 20000
#define LIMIT_LAYOUTS_PER_HOST 2000 /* beyond: one row a sample, not one a scrape */
#define LIMIT_LAYOUT_SERIES 200     /* values of one row: below, it is stored inline */
#define LIMIT_SERIES_CACHED 200000  /* some 150 bytes each */
#define LIMIT_LAYOUTS_CACHED 20000
#define LIMIT_HOSTS_CACHED 20000
#define LIMIT_KEYS_CACHED 10000
#define LIMIT_METRIC_CACHE_MS 5000 /* how long a key or host may be gone unnoticed */
#define LIMIT_METRIC_TYPE 64
#define LIMIT_METRIC_NAME 200
#define LIMIT_METRIC_TAGS 32
#define LIMIT_METRIC_TAGS_BYTES 1024 /* as JSON: part of an index row */
#define LIMIT_METRIC_TEXT 256        /* device, mount point, interface, process name */
#define LIMIT_METRIC_CMDLINE 1024
#define LIMIT_METRIC_ITEMS 1000         /* objects of a backlog */
#define LIMIT_METRIC_JSON_VALUES 400000 /* parsed before anything is known of it */
#define LIMIT_METRIC_JSON_CONTAINERS 60000
#define LIMIT_METRIC_PAST_US (30LL * 24 * 3600 * 1000000)
#define LIMIT_METRIC_FUTURE_US (10LL * 60 * 1000000)
#define LIMIT_METRIC_ENTRY_BYTES (128u << 10) /* one stream entry; a larger POST makes several */
#define LIMIT_METRIC_STREAM_LENGTH 100000
#define LIMIT_METRIC_DEAD_LENGTH 1000 /* entries that did not decode, kept for a look */

/* Hosts */
#define LIMIT_HOST_NAME 200
#define LIMIT_HOST_SLUG 63
#define LIMIT_HOST_ONLINE_US (90LL * 1000000) /* seen within: online */

/* Kept replies of lists */
#define LIMIT_CACHE_ENTRY_BYTES (256u << 10)
#define LIMIT_CACHE_KEPT_BYTES ((size_t)16 << 20)   /* in the memory of one process */
#define LIMIT_CACHE_WINDOW_BYTES ((size_t)32 << 20) /* kept by one process within one life time */

/* Repeated requests (Idempotency-Key) */
#define LIMIT_IDEMPOTENCY_KEY_BYTES 255
#define LIMIT_IDEMPOTENCY_REPLY_BYTES (1u << 20) /* a larger reply is not kept */
#define LIMIT_IDEMPOTENCY_KEEP_MS 86400000LL
#define LIMIT_IDEMPOTENCY_RUN_MS 900000LL /* longer than any request may take */

/* Database and Redis */
#define LIMIT_DB_PARAMS 40
#define LIMIT_DB_ACTOR_BYTES 511 /* who changes something, for the audit log */
#define LIMIT_LIST_COUNT 100000  /* rows that are counted for the total of a list */
#define LIMIT_SEARCH_COUNT 10000 /* … of a list that a text is looked for in */
#define LIMIT_DB_STATEMENT_MS 15000
#define LIMIT_DB_STREAM_MS 300000 /* … that reads a whole table */
#define LIMIT_REDIS_COMMAND_MS 5000
#define LIMIT_LOG_LINE_BYTES 8192u

#endif
