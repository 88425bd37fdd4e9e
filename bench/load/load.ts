import type { Signal } from '../../src/shared/otlp/signal.ts';

/** What the load generator is told, as one JSON argument. */
export interface LoadPlan {
  /** `http://host:port` of an OTLP door, or `host:port` for gRPC. */
  readonly target: string;
  readonly transport: 'http' | 'json' | 'grpc';
  readonly signal: Signal;
  readonly recordsPerRequest: number;
  readonly recordsPerKey: number;
  readonly seconds: number;
  /** Records a second, sent on time whatever the answers do; `undefined` is as fast as the answers come. */
  readonly rate: number | undefined;
  /** Requests on the way at once; the bound of a rated load is a multiple of it. */
  readonly concurrency: number;
  readonly seed: number;
}

/** What it measured. Times are from when a request was due, so a receiver that stalls cannot hide it. */
export interface LoadResult {
  readonly records: number;
  readonly failed: number;
  /** Answers with a `partial_success`, whose refused records count as stored here. */
  readonly partial: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the first failure. */
  readonly failure: string | undefined;
}
