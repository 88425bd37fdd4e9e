import { Redis } from 'ioredis';
import { scrape, sumOf } from '../../test/support/metrics.ts';
import type { SoakSite } from './site.ts';

/** What one process used when it was looked at. */
export interface Reading {
  readonly residentMib: number;
  /** Open files, and handles of libuv. */
  readonly openFiles: number;
  readonly handles: number;
  /** The worst of its event loops, of all that happened since the reading before. */
  readonly loopDelayP99Ms: number;
}

export interface Readings {
  /** By the name of the process. */
  readonly processes: ReadonlyMap<string, Reading>;
  readonly redisMib: number;
  /** Batches that wait for their shard. */
  readonly queued: number;
}

const MIB = 1024 ** 2;

/** Asks every process for its metrics, which starts their measuring of the event loop anew. */
export async function takeReadings({ metrics, redisUrl }: SoakSite): Promise<Readings> {
  const processes = new Map<string, Reading>();
  let queued = 0;
  for (const [name, url] of metrics) {
    const series = await scrape(url);
    const delays = series.filter(one => one.name === 'nodejs_eventloop_lag_p99_seconds');
    processes.set(name, {
      residentMib: (sumOf(series, 'process_resident_memory_bytes') ?? 0) / MIB,
      openFiles: sumOf(series, 'process_open_fds') ?? 0,
      handles: sumOf(series, 'nodejs_active_handles_total') ?? 0,
      loopDelayP99Ms: 1000 * Math.max(...delays.map(({ value }) => value)),
    });
    // Every ingest replica tells of the same queue.
    queued = Math.max(queued, sumOf(series, 'otelfan_queue_batches') ?? 0);
  }
  return { processes, redisMib: await redisMib(redisUrl), queued };
}

async function redisMib(url: string): Promise<number> {
  const redis = new Redis(url);
  const info = await redis.info('memory');
  redis.disconnect();
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]) / MIB;
}
