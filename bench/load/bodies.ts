import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { jsonRequest, protobufRequest } from '../requests.ts';
import type { LoadPlan } from './load.ts';

const POOL_SIZE = 16;

/**
 * Makes request bodies that all differ, as those of real senders do, and cost the generator next to nothing: a few
 * are made beforehand, and each time the time of the first record gets another last digits.
 */
export function createBodies(plan: LoadPlan): () => Buffer {
  const types = createOtlpTypes();
  const shape = { signal: plan.signal, records: plan.recordsPerRequest, recordsPerKey: plan.recordsPerKey };
  const pool = Array.from({ length: POOL_SIZE }, (_, index) => {
    const request = { ...shape, seed: plan.seed * POOL_SIZE + index };
    return plan.transport === 'json' ? jsonRequest(request) : protobufRequest(types, request);
  });
  const marks = pool.map(body => offsetOfTime(plan, body));
  let count = 0;
  return () => {
    const index = count % POOL_SIZE;
    const body = Buffer.from(pool[index] as Buffer);
    const at = marks[index] as number;
    if (plan.transport === 'json') body.write(String(count++).padStart(9, '0'), at);
    else body.writeUInt32LE(count++, at);
    return body;
  };
}

/** Where the low half of the first record's time is, or the last nine digits of it. */
function offsetOfTime({ transport }: LoadPlan, body: Buffer): number {
  const nanos = 1_700_000_000_000_000_000n;
  if (transport === 'json') return body.indexOf(String(nanos)) + 10;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(nanos);
  return body.indexOf(bytes);
}
