import { join } from 'node:path';
import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { createQuery, type QueryProxy } from '../../query/create-query.ts';
import { createShard, type Shard } from '../../shard/create-shard.ts';
import { UnusableDataError } from '../../shard/store/unusable-data-error.ts';
import type { Config } from '../../shared/config/schema.ts';
import { lockFolder } from '../../shared/folder-lock.ts';
import { steadyClock, systemClock } from '../../shared/time.ts';
import type { TopologySource } from '../../shared/topology/topology-source.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import { leaveAtOnce } from '../leave.ts';
import { listenError } from '../serve.ts';
import { version } from '../version.ts';

/* From configuration to the running parts of the read side; `ingest.ts` beside it has the write side. */

export async function startQuery(
  config: Config,
  topology: TopologySource,
  logger: Logger,
): Promise<QueryProxy> {
  const { query } = config;
  try {
    return await createQuery({
      host: query.http.host,
      port: query.http.port,
      topology,
      timeoutMs: query.timeout,
      calls: {
        connectTimeoutMs: query.connectTimeout,
        firstByteTimeoutMs: query.firstByteTimeout,
        idleTimeoutMs: query.idleTimeout,
        maxAnswerBytes: query.maxShardAnswerBytes,
        taelRowCap: query.taelRowCap,
      },
      limits: {
        maxConcurrent: query.maxConcurrent,
        maxWaiting: query.maxWaiting,
        maxRows: query.maxRows,
        maxGroups: query.maxGroups,
        maxEvalRows: query.maxEvalRows,
        maxWindowMs: query.maxWindow,
        maxAnswerBytes: query.maxAnswerBytes,
        maxHeldBytes: query.maxHeldBytes,
      },
      writes: {
        maxConcurrent: query.writes.maxConcurrent,
        maxWaiting: query.writes.maxWaiting,
        maxBytes: query.writes.maxBytes,
        uploadTimeoutMs: query.writes.uploadTimeout,
      },
      slowQueryMs: query.slowQuery,
      readyQuorum: query.readyQuorum,
      logger,
      clock: systemClock,
      steady: steadyClock,
      random: Math.random,
      newId: uuidv7,
    });
  } catch (error) {
    throw listenError(error);
  }
}

/** Several shards may share one data folder: each has its own below `shards/`. */
export function shardFolder(dataDir: string, id: string): string {
  return join(dataDir, 'shards', id);
}

export async function startShard(config: Config, id: string, logger: Logger): Promise<Shard> {
  const { shard, ingest } = config;
  try {
    return await createShard({
      dataDir: shardFolder(config.dataDir, id),
      otlp: shard.otlp,
      read: shard.read,
      maxRequestBytes: ingest.maxRequestBytes,
      memoryLimitBytes: shard.memoryLimit,
      threads: shard.threads,
      sql: {
        timeoutMs: shard.sql.timeout,
        maxRows: shard.sql.maxRows,
        memoryLimitBytes: shard.sql.memoryLimit,
        onStuck: reason => {
          logger.fatal({ reason }, 'the process ends, for nothing else ends what runs in it');
          leaveAtOnce(EXIT.stuck);
        },
      },
      maxConcurrentReads: shard.maxConcurrentReads,
      maxWaitingReads: shard.maxWaitingReads,
      maxAnswerRows: shard.maxAnswerRows,
      maxAnswerBytes: shard.maxAnswerBytes,
      repeatWindowMs: shard.repeatWindow,
      batchMemoryMs: shard.batchMemory,
      retention: {
        maxAgeMs: shard.retention.maxAge,
        maxBytes: shard.retention.maxBytes,
        evalAgeMs: shard.retention.evalAge,
      },
      minFreeBytes: shard.minFreeBytes,
      version: version(),
      logger,
      clock: systemClock,
    });
  } catch (error) {
    if (error instanceof UnusableDataError) throw new UserError(error.message);
    throw listenError(error);
  }
}

/** Makes the folder this process's own. The release is for the end of a clean stop; the kernel does it otherwise. */
export function holdFolder(dir: string): () => void {
  const lock = lockFolder(dir);
  switch (lock.kind) {
    case 'locked':
      return lock.release;
    case 'in use':
      throw new UserError(`data folder ${dir} is in use by another otelfan process`);
    case 'unusable':
      throw new UserError(`data folder ${dir} cannot be used: ${lock.reason}`);
    default:
      return lock satisfies never;
  }
}
