import { z } from 'zod';
import { DURATION_SETTING_FORMS, parseDurationMs, parseSizeBytes, SIZE_FORMS } from './units.ts';

/**
 * The whole configuration, once: types, defaults, units and descriptions. The loader derives the environment
 * variable of each leaf from its path (`queue.redis.url` is `OTELFAN_QUEUE_REDIS_URL`), and `docs/CONFIG.md` is
 * generated from the descriptions.
 */
const size = (fallback: string) =>
  z
    .union([z.string(), z.int().min(0)])
    .default(fallback)
    .transform((value, context) => {
      const bytes = parseSizeBytes(String(value));
      if (bytes === undefined) context.addIssue({ code: 'custom', message: `expected ${SIZE_FORMS}` });
      return bytes ?? 0;
    });

const duration = (fallback: string) =>
  z
    .union([z.string(), z.literal(0)])
    .default(fallback)
    .transform((value, context) => {
      const ms = parseDurationMs(String(value));
      if (ms === undefined)
        context.addIssue({ code: 'custom', message: `expected ${DURATION_SETTING_FORMS}` });
      return ms ?? 0;
    });

const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback);

/** `host` decides who can connect: there is no authentication yet, so the default is this machine only. */
const listener = (fallbackPort: number, what: string) =>
  z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1').describe(`Address the ${what} listens on.`),
      port: port(fallbackPort).describe(`Port of the ${what}; 0 takes any free one.`),
    })
    .prefault({});

const shardId = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-"');

const shard = z.strictObject({
  id: shardId.describe('Stable name of the shard; data is placed by it, so it never changes.'),
  kind: z.enum(['embedded', 'tael']).default('embedded'),
  otlp: z.url({ protocol: /^(https?|grpc)$/ }).describe('Base URL of its OTLP door.'),
  read: z.url({ protocol: /^https?$/ }).describe('Base URL of its read API.'),
  weight: z.number().positive().default(1).describe('Share of the data relative to the other shards.'),
  state: z.enum(['active', 'draining']).default('active').describe('A draining shard is only read from.'),
});

export const configSchema = z.strictObject({
  dataDir: z
    .string()
    .min(1)
    .default('./data')
    .describe('Folder for everything that is stored on this machine.'),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Least severe log line that is written.'),
  topology: z
    .strictObject({
      version: z.int().min(1).default(1),
      shards: z.array(shard).min(1),
      previous: z
        .array(z.strictObject({ version: z.int().min(1), shards: z.array(shardId).min(1) }))
        .default([])
        .describe(
          'Earlier versions whose shards still hold data; every shard they name must be listed above.',
        ),
    })
    .optional()
    .describe('The shards. Needed by `ingest` and `query`; `up` makes its own.'),
  ingest: z
    .strictObject({
      http: listener(4318, 'OTLP/HTTP door'),
      grpc: listener(4317, 'OTLP/gRPC door'),
      health: listener(13_133, 'ingest health endpoint'),
      maxRequestBytes: size('64MiB').describe('Largest request, before and after decompression.'),
      maxBytesInFlight: size('256MiB').describe(
        'Request bytes held in memory at once; above it senders get 503.',
      ),
    })
    .prefault({}),
  queue: z
    .strictObject({
      redis: z
        .strictObject({
          url: z
            .url({ protocol: /^rediss?$/ })
            .optional()
            .describe('Redis that holds the queue. Without it the embedded queue is used.'),
        })
        .prefault({}),
      maxBytes: size('10GiB').describe(
        'Payload bytes a shard may have waiting; above it its senders get 503.',
      ),
      batchBytes: size('1MiB').describe('Size at which a batch is stored without waiting for more.'),
    })
    .prefault({}),
  delivery: z
    .strictObject({
      concurrency: z.coerce
        .number()
        .int()
        .min(1)
        .max(64)
        .default(4)
        .describe('Batches on the way to one shard at once.'),
      timeout: duration('10s').describe('How long a shard may take to answer a batch.'),
      retryInitial: duration('200ms').describe('First pause after a failed delivery; doubles from there.'),
      retryMax: duration('10s').describe('Longest pause between attempts.'),
      horizon: duration('24h').describe('Age at which an undelivered batch becomes a dead letter.'),
    })
    .prefault({}),
  query: z
    .strictObject({
      http: listener(7701, 'read API'),
      timeout: duration('8s').describe('Deadline of a read; shards that miss it are reported missing.'),
      maxRows: z.coerce.number().int().min(1).default(100_000).describe('Largest `limit` of a read.'),
      readyQuorum: z.coerce
        .number()
        .int()
        .min(1)
        .default(1)
        .describe('Shards that must be ready for `/readyz` to be 200.'),
    })
    .prefault({}),
  shard: z
    .strictObject({
      otlp: listener(4318, "shard's OTLP door"),
      read: listener(7800, "shard's read API"),
      memoryLimit: size('1GiB').describe('Memory DuckDB may use.'),
      threads: z.coerce.number().int().min(1).max(256).default(2).describe('Threads DuckDB may use.'),
      repeatWindow: duration('15m').describe(
        "How long a sender's repeat of an export is recognised; 0 never.",
      ),
      batchMemory: duration('8d').describe('How long a delivered batch id is remembered.'),
    })
    .prefault({}),
});

export type Config = z.output<typeof configSchema>;
export type TopologyConfig = NonNullable<Config['topology']>;
