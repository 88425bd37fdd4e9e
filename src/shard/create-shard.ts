import type { Logger } from 'pino';
import { createBufferPool } from '../shared/buffer-pool.ts';
import { type Component, once, stopAll } from '../shared/lifecycle.ts';
import { createAdmission } from '../shared/otlp/admission.ts';
import { createOtlpHttpServer } from '../shared/otlp/http-server.ts';
import { createJsonTranscoder } from '../shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../shared/otlp/messages.ts';
import type { Clock } from '../shared/time.ts';
import { createTimeSlices } from '../shared/time-slices.ts';
import { createHash } from '../shared/topology/hash.ts';
import { createTurns } from '../shared/turns.ts';
import { createBlobRoute, createBlobUploadRoute } from './api/blob-routes.ts';
import { inTurn } from './api/in-turn.ts';
import { createLiveRoute } from './api/live-route.ts';
import { readAhead } from './api/read-ahead.ts';
import { createReadRoutes } from './api/read-route.ts';
import { createSqlRoute } from './api/sql-route.ts';
import { createWriteRoute } from './api/write-route.ts';
import { atOnce, createDecoder } from './decode/decoder.ts';
import { createLiveFeed } from './live/live-feed.ts';
import { createShardExportHandler } from './otlp-handler.ts';
import { createReadServer } from './read-server.ts';
import { createReader } from './reads/reader.ts';
import { startWarmUp } from './reads/warm-up.ts';
import { LOG_ROWS } from './rows/log-row.ts';
import { SPAN_ROWS } from './rows/span-row.ts';
import { createSql, type SqlLimits, type SqlOptions } from './sql/sql.ts';
import { openDatabase } from './store/database.ts';
import { createDiskReserve } from './store/disk-reserve.ts';
import { createMaintenance } from './store/maintenance.ts';
import type { RetentionLimits } from './store/retention.ts';
import { createWriter } from './store/writer.ts';
import { createShardTelemetry } from './telemetry/telemetry.ts';
import { createWriteApi } from './writes/write-api.ts';

export interface ShardOptions {
  /** Holds everything the shard stores; one process at a time. */
  readonly dataDir: string;
  readonly otlp: Listener;
  readonly read: Listener;
  /** Largest OTLP request, before and after decompression. */
  readonly maxRequestBytes: number;
  readonly memoryLimitBytes: number;
  readonly threads: number;
  /** Reads whose answers are in hand at once, and those that may wait for their turn. */
  readonly maxConcurrentReads: number;
  readonly maxWaitingReads: number;
  /** Bounds of one read's answer; one that they end says so. */
  readonly maxAnswerRows: number;
  readonly maxAnswerBytes: number;
  readonly sql: Omit<SqlLimits, 'maxAnswerBytes'> & Pick<SqlOptions, 'onStuck'>;
  /** How long a sender's repeat of an export is recognised; 0 never. */
  readonly repeatWindowMs: number;
  /** How long a delivered batch id is remembered. */
  readonly batchMemoryMs: number;
  readonly retention: RetentionLimits;
  /** Free disk space below which nothing is written. */
  readonly minFreeBytes: number;
  /** How often the disk and what retention asks for are looked at. */
  readonly lookEveryMs?: number;
  readonly retainEveryMs?: number;
  readonly checkpointBytes?: number;
  /** How long to wait for another process to let go of the data folder. */
  readonly openTimeoutMs?: number;
  /** Of the product, for `otelfan_build_info`. */
  readonly version: string;
  readonly logger: Logger;
  readonly clock: Clock;
}

interface Listener {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface Shard extends Component {
  readonly otlpPort: number;
  readonly readPort: number;
}

const OPEN_TIMEOUT_MS = 10_000;
/** Requests of the largest size that may be in memory at once. */
const LARGEST_REQUESTS_IN_FLIGHT = 4;
const MAX_CONCURRENT_REQUESTS = 1000;
/** What is decoded before reads get a turn. */
const DECODE_SLICE_MS = 1;
/** Kept for requests to come: what a shard at full speed has in hand. */
const MAX_POOLED_BYTES = 32 * 1024 ** 2;
/** Of comments, scores, runner spans and uploads, which are a few megabytes each at most. */
const WRITES_IN_HAND = { running: 32, waiting: 1000 };
/** Of the memory that DuckDB may use, so much more for knowing where traces are. */
const INDEX_SHARE = 1 / 16;
/** Part of the reserve of the disk that queries may fill with what does not fit into memory. */
const SPILL_SHARE = 1 / 4;

/** One shard: an OTLP/HTTP door into a DuckDB file, and the internal read API out of it. */
export async function createShard(options: ShardOptions): Promise<Shard> {
  const { logger } = options;
  // What was started, the latest first: the order in which it is stopped, after a failed start too.
  const started: Component[] = [];
  const start = <T extends Component>(component: T): T => {
    started.unshift(component);
    return component;
  };
  const hash = await createHash();
  try {
    const database = start(
      await openDatabase({
        ...options,
        openTimeoutMs: options.openTimeoutMs ?? OPEN_TIMEOUT_MS,
        maxSpillBytes: Math.floor(options.minFreeBytes * SPILL_SHARE),
      }),
    );
    logger.info(database.opening, 'opened the database');
    const reserve = createDiskReserve({ ...options, database });
    const sql = createSql({
      database,
      limits: { ...options.sql, maxAnswerBytes: options.maxAnswerBytes },
      instanceBytes: options.memoryLimitBytes,
      onStuck: options.sql.onStuck,
      logger,
    });
    const slices = createTimeSlices({ sliceMs: DECODE_SLICE_MS });
    const writer = start(
      await createWriter({
        ...options,
        database,
        coming: slices.next,
        refusal: reserve.refusal,
        freeMemory: sql.giveWay,
      }),
    );
    const caps = { maxRows: options.maxAnswerRows, maxBytes: options.maxAnswerBytes };
    const indexBytes = Math.floor(options.memoryLimitBytes * INDEX_SHARE);
    const reader = createReader({ database, writer, hash, caps, indexBytes });
    // Every running query holds one of the process's few libuv threads, which file system calls need too.
    const turns = createTurns({ running: options.maxConcurrentReads, waiting: options.maxWaitingReads });
    const { done: warm } = start(startWarmUp({ reader, turns, writer, refusal: reserve.refusal, logger }));
    const maintenance = start(
      await createMaintenance({ ...options, database, writer, reserve, limits: options.retention }),
    );
    const refusal = () => maintenance.refusal() ?? writer.fatalFailure();
    const buffers = createBufferPool(MAX_POOLED_BYTES);
    const types = createOtlpTypes();
    const decode = createDecoder({ types, hash, buffers });
    const live = createLiveFeed({ spanRowJson: SPAN_ROWS.json, logRowJson: LOG_ROWS.json });
    writer.onCommit(({ batches }) => {
      for (const slices of batches) live.publish(slices);
    });
    let isStarting = true;
    const read = start(
      await createReadServer({
        ...options.read,
        routes: [
          ...createReadRoutes({ reader, turns }),
          ...inTurn(turns, [createBlobRoute(database)]),
          createLiveRoute(live),
          createSqlRoute(sql),
          ...inTurn(createTurns(WRITES_IN_HAND), [
            createWriteRoute(createWriteApi({ types, decode: atOnce(decode), writer, database })),
            createBlobUploadRoute({ writer, clock: options.clock, pinMs: options.retention.evalAgeMs }),
          ]),
        ],
        notReadyReason: () => (isStarting ? 'the shard is starting' : refusal()),
        notReadableReason: database.downReason,
        metrics: createShardTelemetry({ ...options, database, reserve, maintenance, refusal }),
        logger,
      }),
    );
    // Stopped before the server, which would wait for its streams to end.
    start(live);
    await readAhead({ host: options.read.host, port: read.port }, { warm }).then(
      () => logger.debug('read ahead'),
      (error: unknown) => logger.debug({ err: error }, 'the first reads will take longer'),
    );
    const otlp = start(
      await createOtlpHttpServer({
        ...options.otlp,
        maxRequestBytes: options.maxRequestBytes,
        admission: createAdmission({
          bytesInFlight: {
            most: LARGEST_REQUESTS_IN_FLIGHT * options.maxRequestBytes,
            remedy: 'send less at once or raise ingest.maxRequestBytes',
          },
          requests: { most: MAX_CONCURRENT_REQUESTS, remedy: 'send less at once' },
          reasons: [maintenance.refusal],
          buffers,
        }),
        transcoder: createJsonTranscoder(types),
        handle: createShardExportHandler({ decode, slices, writer }),
        logger,
      }),
    );
    isStarting = false;
    return { otlpPort: otlp.port, readPort: read.port, stop: once(() => stopAll(started)) };
  } catch (error) {
    await stopAll(started);
    throw error;
  }
}
