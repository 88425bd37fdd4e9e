import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LoadOptions, loadConfig } from '../../../../src/shared/config/load.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'otelfan-config-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function fileOf(yaml: string): string {
  const file = join(folder, 'otelfan.yaml');
  writeFileSync(file, yaml);
  return file;
}

function loaded(options: Partial<LoadOptions>) {
  const result = loadConfig({ env: {}, ...options });
  if (!result.ok) throw new Error(result.errors.join('\n'));
  return result;
}

function errorsOf(options: Partial<LoadOptions>): readonly string[] {
  const result = loadConfig({ env: {}, ...options });
  return result.ok ? [] : result.errors;
}

const SHARDS = `
topology:
  version: 2
  shards:
    - { id: s0, otlp: "http://shard-0:4318", read: "http://shard-0:7800" }
    - { id: s1, otlp: "http://shard-1:4318", read: "http://shard-1:7800", weight: 2, state: draining }
`;

describe('loading the configuration', () => {
  it('has a default for everything but the topology', () => {
    const { config, sources, warnings } = loaded({});
    expect(config).toMatchObject({ dataDir: './data', ingest: { http: { host: '127.0.0.1', port: 4318 } } });
    expect(config.topology).toBeUndefined();
    expect(new Set(sources.values())).toEqual(new Set(['default']));
    expect(warnings).toEqual([]);
  });

  it('takes the file, over it the environment, over it the flags, and says which', () => {
    const file = fileOf('dataDir: /from/file\nlogLevel: warn\nquery: { timeout: 3s }\n');
    const { config, sources } = loaded({
      file,
      env: { OTELFAN_LOG_LEVEL: 'debug', OTELFAN_QUERY_TIMEOUT: '5s' },
      flags: { 'query.timeout': { value: '7s', flag: '--timeout' } },
    });
    expect([config.dataDir, config.logLevel, config.query.timeout]).toEqual(['/from/file', 'debug', 7000]);
    expect(sources.get('dataDir')).toBe(`file ${file}`);
    expect(sources.get('logLevel')).toBe('env OTELFAN_LOG_LEVEL');
    expect(sources.get('query.timeout')).toBe('--timeout');
  });

  it('finds the file in OTELFAN_CONFIG', () => {
    expect(loaded({ env: { OTELFAN_CONFIG: fileOf('dataDir: here') } }).config.dataDir).toBe('here');
  });

  it('reads ports, sizes and durations from text', () => {
    const { config } = loaded({
      env: {
        OTELFAN_INGEST_HTTP_PORT: '0',
        OTELFAN_INGEST_MAX_REQUEST_BYTES: '1MiB',
        OTELFAN_SHARD_REPEAT_WINDOW: '0',
        OTELFAN_DELIVERY_HORIZON: '2d',
      },
    });
    expect(config.ingest).toMatchObject({ http: { port: 0 }, maxRequestBytes: 1_048_576 });
    expect(config.shard.repeatWindow).toBe(0);
    expect(config.delivery.horizon).toBe(172_800_000);
  });

  it('takes an empty variable for one that is not set', () => {
    expect(loaded({ env: { OTELFAN_LOG_LEVEL: '' } }).config.logLevel).toBe('info');
  });

  it('reads the topology from the file or, as YAML or JSON, from OTELFAN_TOPOLOGY', () => {
    const fromFile = loaded({ file: fileOf(SHARDS) }).config.topology;
    expect(fromFile?.shards[1]).toEqual({
      id: 's1',
      kind: 'embedded',
      otlp: 'http://shard-1:4318',
      read: 'http://shard-1:7800',
      weight: 2,
      state: 'draining',
    });
    const json = JSON.stringify({ version: 2, shards: fromFile?.shards });
    expect(loaded({ env: { OTELFAN_TOPOLOGY: json } }).config.topology).toEqual(fromFile);
  });
});

describe('a configuration that is wrong', () => {
  it.each<[string, Partial<LoadOptions>, string]>([
    [
      'a bad size',
      { env: { OTELFAN_QUEUE_MAX_BYTES: '10 potatoes' } },
      'queue.maxBytes: "10 potatoes" (from env OTELFAN_QUEUE_MAX_BYTES): expected a whole number with B, KiB, MiB, GiB or TiB (64MiB), or bare bytes',
    ],
    [
      'a bad duration',
      { flags: { 'query.timeout': { value: '8', flag: '--timeout' } } },
      'query.timeout: "8" (from --timeout): expected a whole number with ms, s, m, h or d (500ms, 15m); 0 needs no unit',
    ],
    [
      'a variable that is misspelt',
      { env: { OTELFAN_QUEUE_REDIS_URI: 'redis://x' } },
      'OTELFAN_QUEUE_REDIS_URI is not a setting; the nearest is OTELFAN_QUEUE_REDIS_URL',
    ],
    [
      'a file that is not there',
      { file: '/does/not/exist.yaml' },
      'configuration file /does/not/exist.yaml cannot be read',
    ],
    ['a topology that is not YAML', { env: { OTELFAN_TOPOLOGY: '{' } }, 'OTELFAN_TOPOLOGY is not valid YAML'],
  ])('%s is named with its value, its source and what is accepted', (_name, options, message) => {
    expect(errorsOf(options).join('\n')).toContain(message);
  });

  it.each([
    ['a port out of range', 'ingest: { http: { port: 70000 } }', 'ingest.http.port: 70000 (from file '],
    ['a word that is not one of the choices', 'logLevel: loud', 'logLevel: "loud" (from file '],
    ['a setting that does not exist', 'ingest: { htp: {} }', 'ingest.htp is not a setting'],
    ['a file that is not a mapping', '- a', 'expected a YAML mapping at the top'],
    ['a file that is not YAML', 'a: [', 'is not valid YAML'],
    [
      'a shard without an address',
      'topology: { shards: [{ id: a, otlp: "http://a" }] }',
      'topology.shards.0.read: missing',
    ],
  ])('%s in the file is named', (_name, yaml, message) => {
    expect(errorsOf({ file: fileOf(yaml) }).join('\n')).toContain(message);
  });

  it('every error is listed, not only the first', () => {
    expect(errorsOf({ file: fileOf('logLevel: loud\nquery: { timeout: soon }') })).toHaveLength(2);
  });

  it.each([
    ['an id twice', SHARDS.replace('id: s1', 'id: s0'), 'the id "s0" is used more than once'],
    [
      'an address twice',
      SHARDS.replace('shard-1:7800', 'shard-0:7800'),
      'the read address http://shard-0:7800 is used by more than one',
    ],
    ['no active shard', SHARDS.replace('7800" }', '7800", state: draining }'), 'none is active'],
    [
      'a grpc address of an embedded shard',
      SHARDS.replace('http://shard-0:4318', 'grpc://shard-0:4317'),
      's0 has the address grpc://shard-0:4317',
    ],
    [
      'an earlier version that is not earlier',
      `${SHARDS}  previous: [{ version: 2, shards: [s0] }]\n`,
      'version 2 is not before the present version 2',
    ],
    [
      'an earlier version with a shard that is gone',
      `${SHARDS}  previous: [{ version: 1, shards: [s9] }]\n`,
      'names shard "s9", which topology.shards does not list',
    ],
  ])('a topology with %s is refused', (_name, yaml, message) => {
    expect(errorsOf({ file: fileOf(yaml) }).join('\n')).toContain(message);
  });
});

describe('a configuration that is legal and risky', () => {
  it.each<[string, NodeJS.ProcessEnv, string]>([
    ['listening to every network', { OTELFAN_INGEST_HTTP_HOST: '0.0.0.0' }, 'ingest.http.host'],
    [
      'forgetting batches before they are delivered',
      { OTELFAN_SHARD_BATCH_MEMORY: '1h' },
      'shard.batchMemory',
    ],
    ['not recognising repeats', { OTELFAN_SHARD_REPEAT_WINDOW: '0' }, 'shard.repeatWindow'],
    ['batches above the request limit', { OTELFAN_QUEUE_BATCH_BYTES: '65MiB' }, 'queue.batchBytes'],
  ])('%s is loaded with a warning', (_name, env, setting) => {
    expect(loaded({ env }).warnings.join('\n')).toContain(setting);
  });
});
