import { setTimeout as sleep } from 'node:timers/promises';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import type { Envelope } from '../support/read-api.ts';
import { RECORD_OF } from '../support/restore-otlp.ts';
import { idOf } from './records.ts';

/** Where rows of a signal are in the read API: the path and the member of the answer. */
export const ROWS: Readonly<Record<Signal, { readonly path: string; readonly member: string }>> = {
  traces: { path: 'traces', member: 'spans' },
  logs: { path: 'logs', member: 'logs' },
  metrics: { path: 'metrics', member: 'metrics' },
};

/** A record that was read, as its id and its canonical text, which is that of the record as it was exported. */
export interface ReadRecord {
  readonly id: string | undefined;
  readonly text: string;
  readonly row: Json;
}

const PAGE_ROWS = 1000;
const TIMEOUT_MS = 20_000;
/** Shards that were just started on a busy machine may miss the deadline of a query. */
const PATIENCE_MS = 60_000;
const AGAIN_MS = 200;

export interface Reader {
  /** Every row of a service, page by page, from answers with all shards only. */
  records(signal: Signal, service: string): Promise<ReadRecord[]>;
  /** Any read whose answer has to be whole. */
  whole(path: string): Promise<Envelope>;
}

export function createReader(api: string): Reader {
  const texts = new Map<string, string>();

  async function whole(path: string): Promise<Envelope> {
    const startMs = performance.now();
    for (;;) {
      const response = await fetch(`${api}/api/v1/${path}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      const body = (await response.json()) as Envelope;
      if (response.status === 200 && body.partial === false) return body;
      if (performance.now() - startMs > PATIENCE_MS) {
        const why = JSON.stringify({ ...body.shards, error: body.error });
        throw new Error(`GET ${path}: ${response.status} ${why}`);
      }
      await sleep(AGAIN_MS);
    }
  }

  /** Prompts and completions are named by their hashes. */
  async function blobsOf({ llm = {} }: Json): Promise<ReadonlyMap<unknown, string>> {
    const { prompt_sha256, completion_sha256 } = llm as Record<string, string | undefined>;
    for (const hash of [prompt_sha256, completion_sha256]) {
      if (hash === undefined || texts.has(hash)) continue;
      const response = await fetch(`${api}/api/v1/blobs/${hash}`, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.status !== 200)
        throw new Error(`blob ${hash}: ${response.status} ${await response.text()}`);
      texts.set(hash, await response.text());
    }
    return texts;
  }

  async function restore(signal: Signal, row: Json): Promise<ReadRecord> {
    const record = signal === 'traces' ? RECORD_OF.traces(row, await blobsOf(row)) : RECORD_OF[signal](row);
    const text = JSON.stringify(record);
    return { id: idOf(text), text, row };
  }

  return {
    whole,
    async records(signal, service) {
      const { path, member } = ROWS[signal];
      const records: ReadRecord[] = [];
      for (let cursor = ''; ; ) {
        const body = await whole(`${path}?service=${service}&limit=${PAGE_ROWS}&partial=false${cursor}`);
        for (const row of body[member] as Json[]) records.push(await restore(signal, row));
        if (body.next_cursor === undefined || body.next_cursor === null) return records;
        cursor = `&cursor=${String(body.next_cursor)}`;
      }
    },
  };
}
