import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkConfigCommand } from '../../../src/cli/check-config.ts';
import { UserError } from '../../../src/cli/exit-codes.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'otelfan-check-config-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Run {
  readonly argv?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly yaml?: string;
}

function check({ argv = [], env = {}, yaml }: Run = {}) {
  const out = { stdout: '', stderr: '' };
  const file = join(folder, 'otelfan.yaml');
  if (yaml !== undefined) writeFileSync(file, yaml);
  const exitCode = checkConfigCommand(yaml === undefined ? argv : [...argv, '--config', file], {
    stdout: { write: text => (out.stdout += text) },
    stderr: { write: text => (out.stderr += text) },
    isTty: false,
    env,
  });
  return { ...out, exitCode, file };
}

function lineOf(text: string, setting: string): string | undefined {
  return text.split('\n').find(line => line.startsWith(`${setting} `));
}

const TOPOLOGY = `
topology:
  version: 2
  shards:
    - { id: s0, otlp: "http://writer:pw0@shard-0:4318", read: "http://shard-0:7800", weight: 2 }
    - { id: s1, otlp: "http://shard-1:4318", read: "http://reader:pw1@shard-1:7800", state: draining }
  previous:
    - { version: 1, shards: [s1] }
`;

describe('otelfan check-config', () => {
  it('says the value of a setting and where it came from, aligned', () => {
    const { stdout, exitCode, file } = check({
      yaml: 'logLevel: warn\n',
      env: { OTELFAN_QUERY_TIMEOUT: '1500ms' },
    });
    expect(exitCode).toBe(0);
    expect(lineOf(stdout, 'logLevel')).toMatch(new RegExp(`^logLevel +warn +file ${file}$`));
    expect(lineOf(stdout, 'query.timeout')).toMatch(/^query\.timeout +1500ms +env OTELFAN_QUERY_TIMEOUT$/);
    expect(lineOf(stdout, 'ingest.maxRequestBytes')).toMatch(/ 64MiB +default$/);
    expect(lineOf(stdout, 'queue.redis.url')).toMatch(/ - +default$/);
    const [title, ...lines] = stdout.trimEnd().split('\n');
    for (const line of lines) expect(line[(title?.indexOf('FROM') ?? 0) - 1]).toBe(' ');
  });

  it.each([
    ['shard.repeatWindow', 'OTELFAN_SHARD_REPEAT_WINDOW', '0', '0'],
    ['shard.repeatWindow', 'OTELFAN_SHARD_REPEAT_WINDOW', '120m', '2h'],
    ['delivery.horizon', 'OTELFAN_DELIVERY_HORIZON', '48h', '2d'],
    ['queue.batchBytes', 'OTELFAN_QUEUE_BATCH_BYTES', '1025', '1025B'],
    ['queue.maxBytes', 'OTELFAN_QUEUE_MAX_BYTES', '2048GiB', '2TiB'],
    ['query.maxRows', 'OTELFAN_QUERY_MAX_ROWS', '2048', '2048'],
  ])('writes %s in a unit that loses nothing', (setting, variable, given, shown) => {
    expect(lineOf(check({ env: { [variable]: given } }).stdout, setting)).toContain(` ${shown} `);
  });

  it('masks the passwords of URLs', () => {
    const env = { OTELFAN_QUEUE_REDIS_URL: 'redis://user:hunter2@redis:6379/0' };
    for (const argv of [[], ['--json']]) {
      const { stdout } = check({ argv, env, yaml: TOPOLOGY });
      expect(stdout).toContain('redis://user:***@redis:6379/0');
      expect(stdout).toContain('http://writer:***@shard-0:4318');
      expect(stdout).not.toMatch(/hunter2|pw0|pw1/);
    }
  });

  it('shows the topology as one line for each shard and each version before it', () => {
    const { stdout } = check({ yaml: TOPOLOGY });
    expect(stdout).toContain('Topology, version 2:');
    expect(lineOf(stdout, 's0')).toMatch(/^s0 +embedded +active +2 /);
    expect(lineOf(stdout, 's1')).toMatch(/^s1 +embedded +draining +1 /);
    expect(stdout).toContain('Before, version 1: s1\n');
  });

  it('ends with the warnings', () => {
    const { stdout, exitCode } = check({ env: { OTELFAN_SHARD_REPEAT_WINDOW: '0' } });
    expect(exitCode).toBe(0);
    expect(stdout.split('Warnings:\n')[1]).toContain('shard.repeatWindow');
    expect(check().stdout).not.toContain('Warnings');
  });

  it('prints JSON for programs', () => {
    const { stdout } = check({ argv: ['--json'], yaml: TOPOLOGY, env: { OTELFAN_LOG_LEVEL: 'debug' } });
    expect(JSON.parse(stdout)).toMatchObject({
      settings: {
        logLevel: { value: 'debug', source: 'env OTELFAN_LOG_LEVEL' },
        'queue.redis.url': { value: null, source: 'default' },
        topology: {
          value: { version: 2, shards: [{ id: 's0' }, { id: 's1' }] },
          source: expect.stringMatching(/^file /) as string,
        },
      },
      warnings: [expect.stringContaining('one active shard')],
    });
  });

  it('lists every error of an invalid configuration and exits 1', () => {
    const { stdout, stderr, exitCode } = check({
      yaml: 'logLevel: loud\nquery: { timeout: soon }\n',
      env: { OTELFAN_DATADIR: '/data' },
    });
    expect(exitCode).toBe(1);
    expect(stdout).toBe('');
    for (const name of ['logLevel', 'query.timeout', 'OTELFAN_DATADIR']) expect(stderr).toContain(name);
    expect(stderr.trimEnd().split('\n')).toHaveLength(3);
  });

  it('exits 1 when the file cannot be read', () => {
    const { stderr, exitCode } = check({ argv: ['--config', join(folder, 'none.yaml')] });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('none.yaml');
  });

  it('takes an unknown flag for wrong usage, and explains itself', () => {
    expect(() => check({ argv: ['--nope'] })).toThrowError(
      expect.objectContaining({ exitCode: 2, name: UserError.name }) as Error,
    );
    expect(check({ argv: ['--help'] })).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('Example:') as string,
    });
  });
});
