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
    expect(sources.get('query.timeout')).toBe('flag --timeout');
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

  it('takes a section with nothing below it for one that is not set', () => {
    const { config, sources } = loaded({ file: fileOf('ingest:\n  http:\nquery: { timeout: }\n') });
    expect(config.ingest.http.port).toBe(4318);
    expect(config.query.timeout).toBe(8000);
    expect(sources.get('query.timeout')).toBe('default');
  });

  it('takes a grpc address for a shard of kind tael', () => {
    const yaml = SHARDS.replace('otlp: "http://shard-1:4318"', 'kind: tael, otlp: "grpc://tael-1:4317"');
    expect(loaded({ file: fileOf(yaml) }).config.topology?.shards[1]).toMatchObject({ kind: 'tael' });
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

const SIZE_FORMS = 'a whole number with B, KiB, MiB, GiB or TiB (64MiB), or bare bytes; above 0';

describe('a configuration that is wrong', () => {
  it.each<[string, Partial<LoadOptions>, string]>([
    [
      'a size',
      { env: { OTELFAN_QUEUE_MAX_BYTES: '10 potatoes' } },
      `queue.maxBytes: "10 potatoes" (env OTELFAN_QUEUE_MAX_BYTES): expected ${SIZE_FORMS}`,
    ],
    [
      'a size of nothing',
      { env: { OTELFAN_SHARD_MEMORY_LIMIT: '0' } },
      `shard.memoryLimit: "0" (env OTELFAN_SHARD_MEMORY_LIMIT): expected ${SIZE_FORMS}`,
    ],
    [
      'a duration without its unit',
      { flags: { 'query.timeout': { value: '8', flag: '--timeout' } } },
      'query.timeout: "8" (flag --timeout): expected a whole number above 0 with ms, s, m, h or d (500ms, 15m); at most 1h',
    ],
    [
      'a timer that Node cannot hold',
      { env: { OTELFAN_DELIVERY_RETRY_MAX: '30d' } },
      'delivery.retryMax: "30d" (env OTELFAN_DELIVERY_RETRY_MAX): expected a whole number above 0',
    ],
    [
      'a port that is only nearly a number',
      { env: { OTELFAN_QUERY_HTTP_PORT: '0x1e15' } },
      'query.http.port: "0x1e15" (env OTELFAN_QUERY_HTTP_PORT): expected a whole number from 0 to 65535',
    ],
    [
      'an address without its password',
      { env: { OTELFAN_QUEUE_REDIS_URL: 'http://app:s3cret@redis:6379' } },
      'queue.redis.url: "http://app:***@redis:6379" (env OTELFAN_QUEUE_REDIS_URL): expected a URL with redis:// or rediss://',
    ],
  ])('is answered with %s, its source and what is accepted', (_name, options, line) => {
    expect(errorsOf(options)).toEqual([expect.stringContaining(line)]);
  });

  it.each([
    [
      'ingest: { http: { port: 70000 } }',
      'ingest.http.port: 70000 (FILE): expected a whole number from 0 to 65535',
    ],
    ['query: { maxRows: 1.5 }', 'query.maxRows: 1.5 (FILE): expected a whole number from 1 to 4294967295'],
    ['query: { maxRows: true }', 'query.maxRows: true (FILE): expected a whole number from 1 to 4294967295'],
    ['logLevel: loud', 'logLevel: "loud" (FILE): expected one of trace, debug, info, warn, error, silent'],
    ['ingest: 4318', 'ingest: 4318 (FILE): expected a mapping'],
    ['ingest: { htp: {} }', 'ingest.htp (FILE) is not a setting; the nearest is http'],
    ['dataDirectory: x', 'dataDirectory (FILE) is not a setting; the nearest is dataDir'],
    [
      'topology: { shards: [{ id: a, otlp: "http://a", read: "http://b", wieght: 2 }] }',
      'topology.shards[0].wieght (FILE) is not a setting; the nearest is weight',
    ],
    [
      'topology: { shards: [{ id: a, otlp: "http://a" }] }',
      'topology.shards[0].read: missing (FILE): expected a URL with http:// or https://',
    ],
    [
      'topology: { shards: [{ id: a, otlp: "grpc://a:4317", read: "http://a" }] }',
      'topology.shards: a has the OTLP address grpc://a:4317; embedded shards take OTLP over http (FILE)',
    ],
    [
      'topology: { shards: [{ id: "..", otlp: "http://a", read: "http://b" }] }',
      'topology.shards[0].id: ".." (FILE): expected 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-", a letter or digit first',
    ],
    ['topology: { shards: [] }', 'topology.shards: [] (FILE): expected a list of at least one shard'],
    ['- a', 'configuration FILE: expected a YAML mapping at the top'],
    ['a: 1\na: 2', 'configuration FILE is not valid YAML: Map keys must be unique at line 2, column 1'],
    [
      'logLevel: !level debug',
      'configuration FILE is not valid YAML: Unresolved tag: !level at line 1, column 11',
    ],
  ])('%s is named in the file', (yaml, line) => {
    const file = fileOf(yaml);
    expect(errorsOf({ file })).toEqual([line.replace('FILE', `file ${file}`)]);
  });

  it('is not loaded when the file cannot be read or the topology is not YAML', () => {
    expect(errorsOf({ file: '/does/not/exist.yaml' })).toEqual([
      expect.stringContaining('configuration file /does/not/exist.yaml cannot be read'),
    ]);
    expect(errorsOf({ env: { OTELFAN_TOPOLOGY: '{' } })).toEqual([
      expect.stringContaining('OTELFAN_TOPOLOGY is not valid YAML'),
    ]);
  });

  it('is listed with every error, not only the first', () => {
    const errors = errorsOf({
      file: fileOf('logLevel: loud\nquery: { timeout: soon }'),
      env: { OTELFAN_SHARDS: '3' },
    });
    expect(errors).toHaveLength(3);
  });
});

describe('a variable that is no setting', () => {
  it('is an error that names the nearest one', () => {
    expect(errorsOf({ env: { OTELFAN_QUEUE_REDIS_URI: 'redis://x' } })).toEqual([
      'OTELFAN_QUEUE_REDIS_URI (env) is not a setting; the nearest is OTELFAN_QUEUE_REDIS_URL',
    ]);
  });

  it('is left alone when the tests or Kubernetes set it', () => {
    const env = {
      OTELFAN_TEST_REDIS_URL: 'redis://127.0.0.1:6379',
      OTELFAN_QUERY_SERVICE_HOST: '10.0.0.1',
      OTELFAN_QUERY_SERVICE_PORT_HTTP: '7701',
      OTELFAN_QUERY_PORT: 'tcp://10.0.0.1:7701',
      OTELFAN_QUERY_PORT_7701_TCP_ADDR: '10.0.0.1',
    };
    expect(errorsOf({ env })).toEqual([]);
  });
});

describe('a topology', () => {
  it.each([
    ['an id twice', SHARDS.replace('id: s1', 'id: s0'), 'shards: the id "s0" is used more than once'],
    [
      'an address twice, however it is written',
      SHARDS.replace('shard-1:7800', 'SHARD-0:7800/'),
      'shards: the read address http://shard-0:7800/ is used by more than one shard',
    ],
    [
      'no active shard',
      SHARDS.replace('7800" }', '7800", state: draining }'),
      'shards: none is active; at least one must receive data',
    ],
    [
      'an earlier version that is not earlier',
      `${SHARDS}  previous: [{ version: 2, shards: [s0] }]\n`,
      'previous: version 2 is not before the present version 2',
    ],
    [
      'an earlier version twice',
      `${SHARDS}  previous: [{ version: 1, shards: [s0] }, { version: 1, shards: [s1] }]\n`,
      'previous: version 1 is listed more than once',
    ],
    [
      'an earlier version with a shard that is gone',
      `${SHARDS}  previous: [{ version: 1, shards: [s9] }]\n`,
      'previous: version 1 names shard "s9", which topology.shards does not list',
    ],
  ])('with %s is refused', (_name, yaml, message) => {
    const file = fileOf(yaml);
    expect(errorsOf({ file })).toEqual([`topology.${message} (file ${file})`]);
  });
});

describe('a configuration that is legal and risky', () => {
  it.each<[string, NodeJS.ProcessEnv, string]>([
    ['listening to every network', { OTELFAN_INGEST_HTTP_HOST: '0.0.0.0' }, 'ingest.http.host (0.0.0.0)'],
    [
      'forgetting batches before they are delivered',
      { OTELFAN_SHARD_BATCH_MEMORY: '1h' },
      'shard.batchMemory',
    ],
    ['not recognising repeats', { OTELFAN_SHARD_REPEAT_WINDOW: '0' }, 'shard.repeatWindow'],
    [
      'pauses that begin above their limit',
      { OTELFAN_DELIVERY_RETRY_INITIAL: '11s' },
      'delivery.retryInitial',
    ],
    ['batches above the request limit', { OTELFAN_QUEUE_BATCH_BYTES: '65MiB' }, 'queue.batchBytes'],
    ['a queue for less than a request', { OTELFAN_QUEUE_MAX_BYTES: '1MiB' }, 'queue.maxBytes'],
    [
      'memory for less than a request',
      { OTELFAN_INGEST_MAX_BYTES_IN_FLIGHT: '1MiB' },
      'ingest.maxBytesInFlight',
    ],
    ['SQL that may take all memory', { OTELFAN_SHARD_SQL_MEMORY_LIMIT: '1GiB' }, 'shard.sql.memoryLimit'],
    [
      'one active shard',
      { OTELFAN_TOPOLOGY: SHARDS.replace('topology:', '') },
      'topology has one active shard',
    ],
    [
      'a quorum above the number of shards',
      {
        OTELFAN_TOPOLOGY: SHARDS.replace('topology:', '').replace('draining', 'active'),
        OTELFAN_QUERY_READY_QUORUM: '3',
      },
      'query.readyQuorum',
    ],
    [
      'a shard that promises less',
      {
        OTELFAN_TOPOLOGY: SHARDS.replace('topology:', '')
          .replace('state: draining', 'kind: tael')
          .replace('http://shard-1:4318', 'grpc://shard-1:4317'),
      },
      'shard s1 is of kind tael',
    ],
  ])('%s is loaded with a warning', (_name, env, setting) => {
    expect(loaded({ env }).warnings).toEqual([expect.stringContaining(setting)]);
  });
});
