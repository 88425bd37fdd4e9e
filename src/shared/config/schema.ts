import { z } from 'zod';
import { duration, durationOrZero, listener, size, timer, wholeNumber, yesNo } from './settings.ts';

/** An id names a folder and a Redis key, so it is never `.` or `..`. */
export const shardId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
  .meta({ forms: '1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-", a letter or digit first' });
const httpUrl = z.url({ protocol: /^https?$/ }).meta({ forms: 'a URL with http:// or https://' });
const otlpUrl = z
  .url({ protocol: /^(?:https?|grpc)$/ })
  .meta({ forms: 'a URL with http:// or https://, or grpc:// for a shard of kind tael' });
const topologyVersion = z.int().min(1).meta({ forms: 'a whole number from 1' });

const shard = z.strictObject({
  id: shardId.describe('Stable name of the shard; data is placed by it, so it never changes.'),
  kind: z
    .enum(['embedded', 'tael'])
    .default('embedded')
    .describe(
      "`embedded` is a shard of otelfan's own; `tael` a tael-server, which is fed over gRPC, and whose answers are computed from its rows.",
    ),
  otlp: otlpUrl.describe('Base URL of its OTLP door; over HTTP, data is posted to `/v1/…` below it.'),
  read: httpUrl.describe('Base URL of its read API.'),
  weight: z
    .number()
    .positive()
    .default(1)
    .meta({ forms: 'a number above 0' })
    .describe('Share of the data relative to the other shards.'),
  state: z
    .enum(['active', 'draining', 'removed'])
    .default('active')
    .describe(
      'A draining shard is read from but gets no new data; a removed one is read only while `previous` names it and it holds data. What is still queued for it is kept and delivered.',
    ),
});

/**
 * The whole configuration, once: types, defaults, units and descriptions. The loader derives the environment
 * variable of each leaf from its path (`queue.redis.url` is `OTELFAN_QUEUE_REDIS_URL`), and `docs/CONFIG.md` is
 * generated from the descriptions.
 */
export const configSchema = z.strictObject({
  dataDir: z
    .string()
    .min(1)
    .default('./data')
    .meta({ forms: 'a path' })
    .describe('Folder for everything that is stored on this machine.'),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Least severe log line that is written.'),
  topology: z
    .strictObject({
      version: topologyVersion
        .default(1)
        .describe(
          'Goes up whenever a shard, a weight or a state changes. Addresses may change under the same version.',
        ),
      shards: z
        .array(shard)
        .min(1)
        .meta({ forms: 'a list of at least one shard' })
        .describe('Every shard, also those that drain or are removed.'),
      previous: z
        .array(
          z.strictObject({
            version: topologyVersion.describe('A version below the current one.'),
            shards: z
              .array(shardId)
              .min(1)
              .meta({ forms: 'a list of at least one shard id' })
              .describe('Ids of the shards it had.'),
          }),
        )
        .default([])
        .meta({ forms: 'a list' })
        .describe(
          'Earlier versions whose shards still hold data; every shard they name must be listed above, and is read until it says that it holds nothing. Name each version whose data is kept, also when shards were only added: what replaces a span is taken to the shard that has it.',
        ),
    })
    .optional()
    .meta({ forms: 'a mapping with shards, as YAML or JSON' })
    .describe(
      'The shards. Needed by `ingest` and `query`, which follow the file while they run; `up` makes its own.',
    ),
  ingest: z
    .strictObject({
      http: listener(4318, 'OTLP/HTTP door'),
      grpc: listener(4317, 'OTLP/gRPC door'),
      health: listener(13_133, 'ingest health endpoint'),
      metrics: listener(8888, 'ingest metrics endpoint'),
      workers: wholeNumber({ min: 0, max: 256, fallback: 0 }).describe(
        'Processes that take requests; 0 is one per core minus one, at least one.',
      ),
      maxRequestBytes: size('64MiB').describe('Largest request, before and after decompression.'),
      maxBytesInFlight: size('256MiB').describe(
        'Request bytes held in memory at once by each worker; above it senders get 503.',
      ),
      maxConcurrentRequests: wholeNumber({ min: 1, max: 1_000_000, fallback: 2000 }).describe(
        'Requests in hand at once in each worker; above it senders get 503.',
      ),
      maxEventLoopDelay: timer('500ms').describe(
        'How late a worker may be with its work before it answers 503 instead of taking more.',
      ),
      storeTimeout: timer('4s').describe(
        'How long storing a request is tried before its sender gets 503; a shorter gRPC deadline counts instead.',
      ),
      grpcMaxConnectionAge: timer('10m').describe(
        'Age at which a gRPC connection is asked to be made anew, so that load balancers can spread it.',
      ),
      corsOrigins: z
        .string()
        .regex(/^(?:\s*(?:\*|https?:\/\/[^\s,/]+)\s*(?:,|$))*$/)
        .default('')
        .meta({ forms: 'origins separated by commas, "*" for any; a host may begin with "*."' })
        .describe('Origins whose browser pages may post OTLP; empty for none.'),
    })
    .prefault({}),
  queue: z
    .strictObject({
      redis: z
        .strictObject({
          url: z
            .url({ protocol: /^rediss?$/ })
            .meta({ forms: 'a URL with redis:// or rediss://' })
            .optional()
            .describe('Redis that holds the queue. Without it the embedded queue is used.'),
          cluster: yesNo(false).describe(
            'Whether `queue.redis.url` is a node of a Redis Cluster; the other nodes are found through it.',
          ),
          requireDurable: yesNo(false).describe(
            'Refuse to start on a Redis that may evict keys or keeps no append-only file, instead of warning.',
          ),
          silenceTimeout: timer('500ms').describe(
            'How long Redis may owe an answer before its connection is given up and senders get 503. Longer where its disk is slow to sync.',
          ),
          bullBoard: yesNo(false).describe(
            'Show the queues with Bull Board, on the metrics port at `/queues`.',
          ),
        })
        .prefault({}),
      maxBytes: size('20GiB').describe(
        'Payload bytes that may wait for all shards; above it senders get 503.',
      ),
      maxShardBytes: size('5GiB').describe(
        'Payload bytes that may wait for one shard; above it its records are refused, as `queue.onShardFull` says.',
      ),
      onShardFull: z
        .enum(['shed', 'reject'])
        .default('shed')
        .describe(
          "What happens to a request with records for a full shard: `shed` stores the rest and refuses that shard's records for good (`partial_success`), `reject` answers 503 for all of it.",
        ),
      minFreeBytes: size('256MiB').describe(
        'Free disk space that the embedded queue leaves; below it senders get 503.',
      ),
      batchBytes: size('1MiB').describe('Size at which a batch is stored without waiting for more.'),
    })
    .prefault({}),
  delivery: z
    .strictObject({
      concurrency: wholeNumber({ min: 1, max: 64, fallback: 8 }).describe(
        'Most batches on the way to one shard at once; fewer while it is slow or refuses.',
      ),
      timeout: timer('10s').describe('How long a shard may take to answer a batch.'),
      retryInitial: timer('200ms').describe('First pause after a failed delivery; doubles from there.'),
      retryMax: timer('10s').describe('Longest pause between attempts.'),
      backlogAge: timer('10s').describe(
        'Age from which a waiting batch is backlog; after an outage fresh batches are not held up behind it.',
      ),
      horizon: duration('24h').describe('Age at which an undelivered batch becomes a dead letter.'),
    })
    .prefault({}),
  query: z
    .strictObject({
      http: listener(7701, 'read API'),
      timeout: timer('8s').describe(
        'Deadline of a read. Its shards have most of it; those that miss it are reported missing.',
      ),
      connectTimeout: timer('1s').describe('How long connecting to a shard may take.'),
      firstByteTimeout: timer('8s').describe(
        'How long a shard may take to begin its answer, where the deadline of the read is later.',
      ),
      idleTimeout: timer('3s').describe('How long a shard may pause in the middle of its answer.'),
      maxConcurrent: wholeNumber({ min: 1, max: 10_000, fallback: 16 }).describe(
        'Queries that run at once; the others wait their turn, for half of their time at most.',
      ),
      maxWaiting: wholeNumber({ min: 0, max: 100_000, fallback: 64 }).describe(
        'Queries that may wait; one more is answered 503.',
      ),
      maxRows: wholeNumber({ min: 1, max: 4_294_967_295, fallback: 100_000 }).describe(
        'Largest `limit` of a read.',
      ),
      maxGroups: wholeNumber({ min: 100, max: 1_000_000, fallback: 20_000 }).describe(
        'Most services, failing operations or metric names of one shard that a read may have to look at.',
      ),
      maxWindow: durationOrZero('0').describe(
        'Longest window that a request may ask for with `last`, `baseline` or a PromQL range, and of those that have one by default; 0 for any. Rows without `last` are of any time.',
      ),
      maxShardAnswerBytes: size('64MiB').describe(
        'Largest answer of one shard to one call. A shard that has more rows is asked for the rest; one that has more of anything else is reported missing.',
      ),
      maxAnswerBytes: size('256MiB').describe(
        'Most bytes of the answers of all shards to one read; above it the read is answered 413.',
      ),
      maxHeldBytes: size('512MiB').describe(
        'Most bytes of the answers of shards that all queries together hold; a query that would hold more is answered 503. What is computed from them comes on top.',
      ),
      slowQuery: durationOrZero('2s').describe('Queries that take at least so long are logged; 0 for none.'),
      maxEvalRows: wholeNumber({ min: 1, max: 10_000_000, fallback: 500_000 }).describe(
        'Most spans, scores and comments that an answer about evals is computed from; each takes about 500 bytes of memory meanwhile.',
      ),
      taelRowCap: wholeNumber({ min: 1, max: 10_000_000, fallback: 50_000 }).describe(
        'Most rows of a shard of kind `tael` that figures are computed from, each of up to a KiB; beyond it the answer names those that are not exact.',
      ),
      writes: z
        .strictObject({
          maxConcurrent: wholeNumber({ min: 1, max: 10_000, fallback: 16 }).describe(
            'Comments, scores, runner spans and blobs that are with their shards at once; the others wait their turn, for half of `query.timeout` at most.',
          ),
          maxWaiting: wholeNumber({ min: 0, max: 100_000, fallback: 64 }).describe(
            'Writes that may wait; one more is answered 503.',
          ),
          maxBytes: size('64MiB').describe(
            'Most bytes of the bodies of all writes in hand; above it they are answered 503.',
          ),
          uploadTimeout: timer('10s').describe('How long the body of a write may take to arrive.'),
        })
        .prefault({}),
      readyQuorum: wholeNumber({ min: 1, max: 10_000, fallback: 1 }).describe(
        'Shards that must be readable for `/readyz` to be 200. A removed one counts while it says that it holds something.',
      ),
    })
    .prefault({}),
  shard: z
    .strictObject({
      otlp: listener(4318, "shard's OTLP door"),
      read: listener(7800, "shard's read API"),
      memoryLimit: size('1GiB').describe(
        'Memory DuckDB may use. Up to a sixteenth of it comes on top, to know where traces are.',
      ),
      threads: wholeNumber({ min: 1, max: 256, fallback: 2 }).describe('Threads DuckDB may use.'),
      maxConcurrentReads: wholeNumber({ min: 1, max: 64, fallback: 8 }).describe(
        'Reads that run at once; the others wait their turn.',
      ),
      maxWaitingReads: wholeNumber({ min: 0, max: 100_000, fallback: 64 }).describe(
        'Reads that may wait; one more is answered 503.',
      ),
      maxAnswerRows: wholeNumber({ min: 1, max: 4_294_967_295, fallback: 1_000_000 }).describe(
        'Most rows of one answer of a shard; an answer that has more says so.',
      ),
      maxAnswerBytes: size('256MiB').describe('Most bytes of one answer of a shard.'),
      retention: z
        .strictObject({
          maxAge: duration('30d').describe('How long after they were stored records are deleted.'),
          maxBytes: size('50GiB').describe(
            "Size of the shard's records, above which the oldest are deleted; pinned uploads, comments and remembered ids do not count.",
          ),
          evalAge: duration('365d').describe(
            'How long uploaded blobs and comments are kept, whatever becomes of what they belong to.',
          ),
        })
        .prefault({}),
      minFreeBytes: size('512MiB').describe(
        'Free space that the shard leaves, on the disk and in its file, at least half of it on the disk; below it writes are answered 503 and reads go on.',
      ),
      sql: z
        .strictObject({
          timeout: timer('10s').describe('How long an SQL query may run.'),
          maxRows: wholeNumber({ min: 1, max: 1_000_000, fallback: 10_000 }).describe(
            'Most rows of an SQL answer.',
          ),
          memoryLimit: size('256MiB').describe('Memory that an SQL query may use.'),
        })
        .prefault({}),
      repeatWindow: durationOrZero('15m').describe(
        "How long a sender's repeat of an export is recognised; 0 never.",
      ),
      batchMemory: duration('8d').describe('How long a delivered batch id is remembered.'),
    })
    .prefault({}),
});

export type Config = z.output<typeof configSchema>;
export type TopologyConfig = NonNullable<Config['topology']>;
