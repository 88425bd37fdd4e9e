import assert from 'node:assert/strict';
import { loadConfig } from '../../../src/shared/config/load.ts';
import { type FuzzTarget, plainTarget, texts } from '../target.ts';

const TOPOLOGY = `topology:
  version: 2
  shards:
    - { id: s0, otlp: "http://shard-0:4318", read: "http://shard-0:7800", weight: 1, state: active }
    - { id: s1, kind: tael, otlp: "grpc://tael:4317", read: "http://tael:7701", weight: 2, state: draining }
  previous:
    - { version: 1, shards: [s0] }
`;

/** Any file is a configuration, or is refused with lines that say why. */
export function configTarget(): FuzzTarget {
  return plainTarget({
    name: 'config',
    seeds: texts(
      '',
      TOPOLOGY,
      'ingest:\n  httpPort: 4318\n  maxRequestBytes: 20MiB\nqueue:\n  redisUrl: redis://127.0.0.1:6379\n',
      'query: { timeout: 8s, maxConcurrent: 16 }\nshard:\n  retention: { maxAge: 30d, maxBytes: 50GiB }\n',
    ),
    dictionary: [
      '&a ',
      '*a',
      '!!binary ',
      '<<: ',
      '- ',
      ': ',
      '{',
      '}',
      '~',
      '0x1f',
      '.inf',
      '1e9',
      '|\n',
      '__proto__: ',
    ],
    check(input) {
      const loaded = loadConfig({ file: 'otelfan.yaml', text: input.toString(), env: {} });
      if (loaded.ok) return;
      assert.ok(loaded.errors.length > 0);
      for (const error of loaded.errors) assert.ok(error.length > 0 && !error.includes('[object'), error);
    },
  });
}
