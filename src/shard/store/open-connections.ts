import { setTimeout as sleep } from 'node:timers/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { Connectable } from './instance.ts';

/** Knows which connections of an instance are open; with the last of them DuckDB lets go of the file. */
export interface OpenConnections {
  connect(instance: Connectable): Promise<DuckDBConnection>;
  /** Ends what runs and waits until everything is closed by its owners; false when it is not within that time. */
  closed(withinMs: number): Promise<boolean>;
}

/** A query that waits for a free thread loses an interrupt, so it is repeated. */
const INTERRUPT_EVERY_MS = 20;

export function createOpenConnections(): OpenConnections {
  const open = new Set<DuckDBConnection>();
  let connecting = 0;
  return {
    async connect(instance) {
      connecting++;
      try {
        const connection = await instance.connect();
        const close = connection.closeSync.bind(connection);
        connection.closeSync = () => {
          open.delete(connection);
          close();
        };
        open.add(connection);
        return connection;
      } finally {
        connecting--;
      }
    },
    async closed(withinMs) {
      const deadlineMs = performance.now() + withinMs;
      while (open.size > 0 || connecting > 0) {
        if (performance.now() >= deadlineMs) return false;
        for (const connection of open) connection.interrupt();
        await sleep(INTERRUPT_EVERY_MS);
      }
      return true;
    },
  };
}
