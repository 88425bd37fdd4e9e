import { z } from 'zod';
import { READ_API_VERSION } from './contract.ts';

export const SQL_PATH = `/internal/${READ_API_VERSION}/sql`;

/**
 * Read-only SQL on one shard: `POST /internal/v1/sql` with the body below, over the views `spans`, `logs`, `metrics`,
 * `trace_comments` and `sources` (docs/DATA-MODEL.md). 200 with {@link SqlAnswer}; 400 with `{"error"}` for what is not one
 * allowed SELECT, and for its failure; 503 when another one runs and too many wait.
 */
export const SQL_REQUEST = z.strictObject({ query: z.string().min(1).max(100_000) });

export interface SqlAnswer {
  /** Cells as contract §1.4 has them: null, booleans, numbers and text as they are, everything else as text. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly count: number;
  /** There were more rows than `shard.sql.maxRows`, or more bytes than `shard.maxAnswerBytes`. */
  readonly truncated: boolean;
}
