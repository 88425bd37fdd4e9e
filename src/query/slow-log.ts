import type { Logger } from 'pino';
import { explained } from './explain.ts';
import type { ReadCost } from './read-figures.ts';

export interface SlowLog {
  record(query: EndedQuery): void;
}

interface EndedQuery {
  readonly read: string;
  readonly search: URLSearchParams;
  readonly path: Readonly<Record<string, string>>;
  readonly status: number;
  readonly cost: ReadCost;
}

const MAX_VALUE_CHARS = 100;
const MAX_PARAMETERS = 20;

/** One line for each query that took at least so long, with where its time went. 0 logs none. */
export function createSlowLog(logger: Logger, slowMs: number): SlowLog {
  return {
    record({ read, search, path, status, cost }) {
      if (slowMs === 0 || cost.totalMs < slowMs) return;
      const parameters = [...Object.entries(path), ...search].slice(0, MAX_PARAMETERS).map(shortened);
      logger.warn({ read, parameters, status, ...explained(cost) }, 'slow query');
    },
  };
}

function shortened([name, value]: readonly [string, string]): string {
  const text = `${name}=${value}`;
  return text.length <= MAX_VALUE_CHARS ? text : `${text.slice(0, MAX_VALUE_CHARS)}…`;
}
