import fc from 'fast-check';
import type { Signal } from '../../../src/shared/otlp/signal.ts';
import { protobufOf } from '../../support/otlp-records.ts';
import { otlpRequests } from '../../support/otlp-requests.ts';

const SEED = 11;

/** Requests that say something, in OTLP/JSON. */
function requests(signal: Signal, count: number): object[] {
  return fc
    .sample(otlpRequests[signal], { seed: SEED, numRuns: 20 * count })
    .filter(request => JSON.stringify(request).length > 300)
    .slice(0, count);
}

export function protobufSeeds(signal: Signal, count: number): Buffer[] {
  return requests(signal, count).map(request => protobufOf(signal, request));
}

export function jsonSeeds(signal: Signal, count: number): Buffer[] {
  return requests(signal, count).map(request => Buffer.from(JSON.stringify(request)));
}
