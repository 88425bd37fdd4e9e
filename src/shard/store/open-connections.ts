import { setTimeout as sleep } from 'node:timers/promises';
import type { DuckDBConnection } from '@duckdb/node-api';

type Connect = () => Promise<DuckDBConnection>;

/** Knows which connections of an instance are open; with the last of them DuckDB lets go of the file. */
export interface OpenConnections {
  /** Opens a connection to read from. It waits while reads are held. */
  toRead(connect: Connect): Promise<DuckDBConnection>;
  /** Opens the writer's connection, or one for a quick look: nothing holds it, and no work between reads waits for it. */
  atOnce(connect: Connect): Promise<DuckDBConnection>;
  /**
   * Holds further reads, for no longer than `holdMs`, and runs the work once those that are open have ended; reads
   * may begin while it still runs. `undefined` when they have not ended in time, and the work was not run. A read
   * that has been open for as long as that is not waited for: it may well go on as long again.
   */
  betweenReads<T>(holdMs: number, work: () => Promise<T>): Promise<T | undefined>;
  /** For how long the read has been open that began first; 0 when none is open. */
  longestReadMs(): number;
  /** Ends what runs and waits until everything is closed by its owners; false when it is not within that time. */
  closed(withinMs: number): Promise<boolean>;
}

const LOOK_EVERY_MS = 20;

export function createOpenConnections(): OpenConnections {
  const reading = createGroup();
  const others = createGroup();
  let held: Promise<void> | undefined;
  return {
    async toRead(connect) {
      while (held !== undefined) await held;
      return reading.add(connect);
    },
    atOnce: others.add,
    async betweenReads(holdMs, work) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const release = () => {
        if (held === promise) held = undefined;
        resolve();
      };
      held = promise;
      const timer = setTimeout(release, holdMs);
      try {
        while (!reading.isEmpty()) {
          if (held === undefined || reading.longestMs() >= holdMs) return undefined;
          await sleep(LOOK_EVERY_MS);
        }
        return await work();
      } finally {
        clearTimeout(timer);
        release();
      }
    },
    longestReadMs: reading.longestMs,
    async closed(withinMs) {
      const deadlineMs = performance.now() + withinMs;
      while (!reading.isEmpty() || !others.isEmpty()) {
        if (performance.now() >= deadlineMs) return false;
        // A query that waits for a free thread loses an interrupt, so it is repeated.
        reading.interrupt();
        others.interrupt();
        await sleep(LOOK_EVERY_MS);
      }
      return true;
    },
  };
}

interface Group {
  add(connect: Connect): Promise<DuckDBConnection>;
  isEmpty(): boolean;
  /** Since the first of those that are open was opened; 0 without any. */
  longestMs(): number;
  interrupt(): void;
}

function createGroup(): Group {
  /** When each was opened, the first one first. */
  const open = new Map<DuckDBConnection, number>();
  let connecting = 0;
  return {
    async add(connect) {
      connecting++;
      try {
        const connection = await connect();
        const close = connection.closeSync.bind(connection);
        connection.closeSync = () => {
          open.delete(connection);
          close();
        };
        open.set(connection, performance.now());
        return connection;
      } finally {
        connecting--;
      }
    },
    isEmpty: () => open.size === 0 && connecting === 0,
    longestMs() {
      const [firstMs] = open.values();
      return firstMs === undefined ? 0 : performance.now() - firstMs;
    },
    interrupt() {
      for (const connection of open.keys()) connection.interrupt();
    },
  };
}
