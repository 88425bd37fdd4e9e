import assert from 'node:assert/strict';
import { createPartition } from '../../../src/ingest/partition/partition.ts';
import { createJsonTranscoder } from '../../../src/shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { SIGNALS } from '../../../src/shared/otlp/signal.ts';
import { type FuzzTarget, plainTarget } from '../target.ts';
import { jsonSeeds } from './otlp-seeds.ts';

const DICTIONARY = [
  'null',
  '{}',
  '[]',
  '""',
  '"\\ud800"',
  '1e400',
  '-0',
  '"NaN"',
  '"__proto__":',
  ',',
  ':',
  '[',
  '{',
];

/** OTLP/JSON is refused with a reason, or becomes protobuf that can be split. */
export function otlpJsonTargets(): FuzzTarget[] {
  const types = createOtlpTypes();
  const transcoder = createJsonTranscoder(types);
  const partition = createPartition(types);
  return SIGNALS.map(signal =>
    plainTarget({
      name: `otlp-json-${signal}`,
      seeds: jsonSeeds(signal, 10),
      dictionary: DICTIONARY,
      check(input) {
        const transcoded = transcoder.toProtobuf(signal, input);
        if (transcoded.kind === 'malformed') return assert.notEqual(transcoded.reason, '');
        const outcome = partition({ signal, request: transcoded.body, shardOf: () => 0 });
        assert.equal(outcome.kind, 'partitioned', JSON.stringify(outcome));
      },
    }),
  );
}
