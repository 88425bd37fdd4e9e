import type { Hash } from '../../shared/topology/hash.ts';
import { traceIdText } from '../rows/ids.ts';

/** What `trace_commits` and the index of traces know a trace by: `xxh64` of its id, as the topology takes it. */
export function traceKeyOf(hash: Hash, traceId: bigint): bigint {
  return hash.hash64(Buffer.from(traceIdText(traceId), 'hex'));
}
