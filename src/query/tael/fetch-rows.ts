import type { ShardSpec } from '../../shared/topology/topology.ts';
import { each } from '../http-call.ts';
import type { ShardCalls, WholeOutcome } from '../shard-call.ts';
import type { NewMeter } from '../shard-reader.ts';
import { createRowCutter } from './row-cutter.ts';

/** One shard, as it is asked in one call of the reader. */
export interface TaelCall {
  readonly calls: Pick<ShardCalls, 'ask'>;
  readonly shard: ShardSpec;
  readonly signal: AbortSignal;
  readonly newMeter: NewMeter | undefined;
  /** Of the proxy's clock when it is asked, which may be a while after the read began. */
  readonly nowNs: bigint;
  /** Most bytes of one answer. */
  readonly maxAnswerBytes: number;
}

export interface RowsOptions<T> {
  readonly path: string;
  readonly params?: readonly (readonly [name: string, value: string | undefined])[];
  /** Of the answer: the list of rows. */
  readonly member: string;
  /** Rows behind these are not even read. */
  readonly most?: number;
  /** Makes something of a row, or nothing; `unreadable` when nothing can be made of it. */
  readonly take: (value: unknown) => T | undefined | 'unreadable';
  /** What a 404 with this error says. */
  readonly missing?: string;
}

export interface FetchedRows<T> extends FetchEnd {
  readonly rows: readonly T[];
}

/** How far an answer was read. */
export interface FetchEnd {
  /** Rows that were read, whatever was made of them. */
  readonly read: number;
  readonly unreadable: number;
  /** Why the rows ended before the answer did. */
  readonly cutBy: 'most' | 'bytes' | undefined;
}

/** Reads the rows of one answer of a tael-server as they come, and holds what is made of them. */
export function fetchRows<T>(
  { calls, shard, signal, newMeter, maxAnswerBytes }: TaelCall,
  { path, params = [], member, most = Number.POSITIVE_INFINITY, take, missing }: RowsOptions<T>,
): Promise<WholeOutcome<FetchedRows<T>>> {
  const search = new URLSearchParams();
  for (const [name, value] of params) if (value !== undefined) search.append(name, value);
  const get = {
    path: search.size === 0 ? path : `${path}?${search}`,
    method: 'GET',
    signal,
    meter: newMeter?.(),
    maxBytes: undefined,
  } as const;
  return calls.ask<WholeOutcome<FetchedRows<T>>>(
    shard,
    get,
    async ({ body }) => {
      const cutter = createRowCutter(member);
      const rows: T[] = [];
      let [read, unreadable, sizeBytes] = [0, 0, 0];
      const fetched = (cutBy: FetchedRows<T>['cutBy']) =>
        ({ kind: 'answered', value: { rows, read, unreadable, cutBy } }) as const;
      for await (const chunk of each(body)) {
        sizeBytes += chunk.length;
        cutter.push(chunk);
        for (let text = cutter.next(); text !== undefined; text = cutter.next()) {
          if (read === most) return fetched('most');
          read++;
          const taken = takeText(text, take);
          if (taken === 'unreadable') unreadable++;
          else if (taken !== undefined) rows.push(taken);
        }
        if (cutter.isBroken()) break;
        if (sizeBytes > maxAnswerBytes) return fetched('bytes');
      }
      const fault = cutter.fault();
      return fault === undefined ? fetched(undefined) : { kind: 'failed', reason: fault };
    },
    missing === undefined ? undefined : { error: missing, outcome: NO_ROWS },
  );
}

const NO_ROWS = {
  kind: 'answered',
  value: { rows: [], read: 0, unreadable: 0, cutBy: undefined },
} as const;

function takeText<T>(text: Buffer, take: RowsOptions<T>['take']): T | undefined | 'unreadable' {
  let value: unknown;
  try {
    value = JSON.parse(text.toString());
  } catch {
    return 'unreadable';
  }
  return take(value);
}
