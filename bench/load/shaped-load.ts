import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import type { Holdings } from '../shaped/requests.ts';

/** What the shaped generator is told; it answers each order with a {@link ShapedResult}. */
export type ShapedOrder =
  | { readonly kind: 'begin'; readonly seed: number; readonly holdings: Holdings }
  | ({ readonly kind: 'load' } & ShapedLoad)
  /** Ends a load that has no number of records. */
  | { readonly kind: 'enough' };

export interface ShapedLoad {
  /** `http://host:port` of an OTLP door. */
  readonly target: string;
  /** Whose door it is: a shard, where requests come as deliveries, or ingest, where they come from exporters. */
  readonly of: 'shard' | 'ingest';
  readonly signal: Signal;
  readonly recordsPerRequest: number;
  /** Requests on the way at once. */
  readonly concurrency: number;
  /** How many to send; without it, until `enough`. */
  readonly records?: number;
  /** Records a second; as fast as the answers come without it. */
  readonly rate?: number;
}

export interface ShapedResult {
  readonly records: number;
  readonly seconds: number;
  readonly bodyBytes: number;
  /** Body bytes of some of the requests, and the bytes that gzip makes of each of them. */
  readonly sample: { readonly records: number; readonly gzipBytes: number };
  /** Requests that were sent again, as often as they were. */
  readonly repeats: number;
  /** From when a request was due, or sent where there is no rate, to the answer, which is when the records are durable. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The generator of shaped data, a process of its own so that its work is not counted as the shard's. */
export interface ShapedGenerator {
  load(load: ShapedLoad & { readonly records: number }): Promise<ShapedResult>;
  /** Loads until the returned function is called. */
  keepLoading(load: ShapedLoad): () => Promise<ShapedResult>;
  stop(): Promise<void>;
}

export async function startShapedGenerator(seed: number, holdings: Holdings): Promise<ShapedGenerator> {
  const child = fork(join(import.meta.dirname, 'shaped-generator.ts'));
  const exited = once(child, 'exit');
  const tell = async (order: ShapedOrder): Promise<ShapedResult> => {
    const answered = once(child, 'message') as Promise<[ShapedResult]>;
    child.send(order);
    const died = exited.then(([code]) => {
      throw new Error(`the generator ended with ${String(code)}`);
    });
    return (await Promise.race([answered, died]))[0];
  };
  await tell({ kind: 'begin', seed, holdings });
  return {
    load: load => tell({ kind: 'load', ...load }),
    keepLoading(load) {
      const result = tell({ kind: 'load', ...load });
      return () => {
        child.send({ kind: 'enough' } satisfies ShapedOrder);
        return result;
      };
    },
    async stop() {
      child.disconnect();
      await exited;
    },
  };
}
