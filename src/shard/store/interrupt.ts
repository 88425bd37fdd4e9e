import type { DuckDBConnection } from '@duckdb/node-api';

const INTERRUPT_EVERY_MS = 50;

/**
 * Interrupts what runs on a connection, again and again until the returned function is called: an interrupt that finds
 * a query still waiting for a thread is lost.
 */
export function keepInterrupting(connection: DuckDBConnection): () => void {
  connection.interrupt();
  const repeat = setInterval(() => connection.interrupt(), INTERRUPT_EVERY_MS);
  return () => clearInterval(repeat);
}
