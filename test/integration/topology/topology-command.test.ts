import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/cli/exit-codes.ts';
import { topologyCommand } from '../../../src/cli/topology.ts';
import type { BatchQueue } from '../../../src/ingest/queue/batch-queue.ts';
import { traceId } from '../../support/otlp-samples.ts';
import { claimAll, openDataFolderQueue, traceBatch } from '../../support/queue-samples.ts';
import { temporaryFolder } from '../../support/systems.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

interface Shard {
  readonly id: string;
  readonly state?: string;
  readonly weight?: number;
}

/** A configuration file with these shards and the data folder of the test. */
function configFile(version: number, shards: readonly Shard[], more: object = {}): string {
  const file = join(folder.path, `v${version}-${shards.length}.yaml`);
  const specs = shards.map(shard => ({
    otlp: `http://${shard.id}:4318`,
    read: `http://${shard.id}:7800`,
    ...shard,
  }));
  const config = { dataDir: folder.path, topology: { version, shards: specs, ...more } };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function topology(...argv: string[]) {
  const out = { stdout: '', stderr: '' };
  try {
    const exitCode = await topologyCommand(argv, {
      stdout: { write: text => (out.stdout += text) },
      stderr: { write: text => (out.stderr += text) },
      isTty: false,
      env: {},
    });
    return { ...out, exitCode };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...out, exitCode: error.exitCode, stderr: error.message };
  }
}

/** Fills the queue as ingest would, and closes it again. */
async function inQueue(fill: (queue: BatchQueue) => Promise<unknown>): Promise<void> {
  const queue = await openDataFolderQueue(folder.path);
  await fill(queue);
  await queue.stop();
}

const THREE = [{ id: 's0' }, { id: 's1', weight: 2 }, { id: 's2', state: 'draining' }];
const lineOf = (text: string, first: string) =>
  text
    .split('\n')
    .find(line => line.startsWith(`${first} `))
    ?.split(/\s{2,}/);

describe('otelfan topology', () => {
  it('shows shares, accepted records, queue depth and dead letters of each shard', async () => {
    await inQueue(async queue => {
      await queue.enqueue([
        traceBatch({ shard: 's0', slices: [['a', 'b', 'c']] }),
        traceBatch({ shard: 's2', slices: [['d']], change: { acceptedAtMs: Date.now() - 7_200_000 } }),
      ]);
      const claim = await queue.claim('s0', 'oldest');
      if (claim !== undefined) await queue.deadLetter(claim, 'poison');
    });
    const { stdout, exitCode } = await topology('--config', configFile(3, THREE));
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Topology, version 3:');
    const [s0, s1, s2] = ['s0', 's1', 's2'].map(id => lineOf(stdout, id)) as [string[], string[], string[]];
    expect(s0.slice(0, 4)).toEqual(['s0', 'embedded', 'active', '1']);
    expect(s0.slice(6)).toEqual(['75.0%', '3', '0', '0B', '-', '1']);
    expect(s1[5]).toMatch(/^6[5-8]\.\d%$/);
    expect(s2.slice(2, 8)).toEqual(['draining', '1', '0', '0.0%', '25.0%', '1']);
    expect(s2.slice(10)).toEqual(['2h', '0']);
  });

  it('shows lanes whose shard is not in the topology, with the command that moves them', async () => {
    await inQueue(queue => queue.enqueue([traceBatch({ shard: 'gone', slices: [['a']] })]));
    const { stdout } = await topology('--config', configFile(1, THREE));
    expect(lineOf(stdout, 'gone')?.slice(2, 5)).toEqual(['held', '-', '0']);
    expect(stdout).toContain('otelfan topology reroute gone');
  });

  it('prints the same as JSON', async () => {
    await inQueue(queue => queue.enqueue([traceBatch({ shard: 's1', slices: [['a', 'b']] })]));
    const { stdout } = await topology('--json', '--config', configFile(4, THREE));
    const overview = JSON.parse(stdout) as { version: number; shards: object[] };
    expect(overview.version).toBe(4);
    expect(overview.shards[1]).toMatchObject({
      id: 's1',
      state: 'active',
      weight: 2,
      queue: { batches: 1, accepted: { traces: 2 } },
      acceptedShare: 1,
    });
  });

  it('shows the map and says so where there is no queue, and makes none', async () => {
    const args = ['--config', configFile(1, THREE)];
    const first = await topology(...args);
    expect(first.exitCode).toBe(3);
    expect(first.stdout).toContain('there is no queue in');
    expect((await topology(...args)).exitCode).toBe(3);
  });

  it('knows the shards of a data folder of otelfan up without a configuration', async () => {
    writeFileSync(join(folder.path, 'topology.json'), '{"version":4,"activeCount":2,"totalCount":3}');
    const { stdout } = await topology('--data-dir', folder.path);
    expect(stdout).toContain('Topology, version 4:');
    expect(lineOf(stdout, 's2')?.slice(1, 3)).toEqual(['embedded', 'draining']);
  });

  it('says what is missing where there is no topology at all', async () => {
    const { stderr, exitCode } = await topology('--data-dir', folder.path);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^no topology: the configuration names no shards, and .* is not a data folder/);
  });

  describe('with an ingest process that tells of its hottest keys', () => {
    let server: Server;
    let answer = '';
    beforeEach(async () => {
      server = createServer((request, response) =>
        response.writeHead(request.url === '/metrics' ? 200 : 404).end(answer),
      );
      server.listen(0, '127.0.0.1');
      await new Promise(resolve => server.once('listening', resolve));
    });
    afterEach(() => void server.close());

    it('shows them, hottest first, whatever characters a key has', async () => {
      answer = [
        '# TYPE otelfan_hot_key_records gauge',
        'otelfan_hot_key_records{signal="logs",key="a \\"b\\" {c} \\\\ d",shard="s1"} 12',
        'otelfan_hot_key_records{signal="metrics",key="http.server.duration",shard="s0"} 3.5e+03',
        'otelfan_other_total{key="x"} 9',
      ].join('\n');
      const { port } = server.address() as AddressInfo;
      const args = ['--config', configFile(1, THREE), '--ingest-metrics', `http://127.0.0.1:${port}`];
      const { stdout } = await topology('--json', ...args);
      expect((JSON.parse(stdout) as { hotKeys: unknown }).hotKeys).toEqual([
        { signal: 'metrics', key: 'http.server.duration', shard: 's0', records: 3500 },
        { signal: 'logs', key: 'a "b" {c} \\ d', shard: 's1', records: 12 },
      ]);
      expect(lineOf((await topology(...args)).stdout, 'metrics')).toEqual([
        'metrics',
        'http.server.duration',
        's0',
        '~3500',
      ]);
    });

    it('says so when it does not answer', async () => {
      const { port } = server.address() as AddressInfo;
      await new Promise(resolve => server.close(resolve));
      const args = ['--config', configFile(1, THREE), '--ingest-metrics', `http://127.0.0.1:${port}/metrics`];
      const { stdout } = await topology(...args);
      expect(stdout).toContain(
        `Hottest keys: http://127.0.0.1:${port}/metrics did not answer: connection refused`,
      );
    });
  });
});

describe('otelfan topology diff', () => {
  it('shows what would move and that a running otelfan would take it', async () => {
    const before = configFile(1, [{ id: 's0' }, { id: 's1' }]);
    const after = configFile(2, [{ id: 's0' }, { id: 's1' }, { id: 's2' }]);
    const { stdout, exitCode } = await topology('diff', after, '--config', before);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Version 1 → 2');
    expect(stdout).toMatch(/3[1-5]\.\d% of all keys move/);
    expect(stdout).toMatch(/^s0 +s2 +2\d{3} +1[5-8]\.\d%$/m);
    expect(stdout).toMatch(/^s2 +- → active +0 → 5\d{3} +0\.0% → 3[2-5]\.\d%$/m);
    expect(stdout).toContain('would take it');
  });

  it('ends with 3 and the reasons when a running otelfan would refuse it', async () => {
    const before = configFile(1, [{ id: 's0' }]);
    const after = configFile(1, [{ id: 's0' }, { id: 's1' }]);
    const { stdout, exitCode } = await topology('diff', after, '--config', before);
    expect(exitCode).toBe(3);
    expect(stdout).toContain('would refuse it');
    expect(stdout).toContain('shard s1 is added, but the version is still 1');
  });

  it('names what is wrong with the file', async () => {
    const before = configFile(1, [{ id: 's0' }]);
    const bad = join(folder.path, 'bad.yaml');
    writeFileSync(bad, 'topology: { shards: [] }');
    const { stderr, exitCode } = await topology('diff', bad, '--config', before);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('topology.shards');
  });
});

describe('otelfan topology route', () => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

  it('names slot and owner of a trace, the id in any case', async () => {
    const args = ['--json', '--config', configFile(1, THREE)];
    const lower = await topology('route', TRACE, ...args);
    expect(JSON.parse(lower.stdout)).toMatchObject({ slot: 14_326, version: 1, previous: [] });
    expect((await topology('route', TRACE.toUpperCase(), ...args)).stdout).toBe(lower.stdout);
  });

  it('names the slots of services and metrics by their names', async () => {
    const args = ['--json', '--config', configFile(1, THREE)];
    for (const flag of ['--service', '--metric']) {
      const { stdout } = await topology('route', flag, 'checkout', ...args);
      expect(JSON.parse(stdout)).toMatchObject({ slot: 10_653 });
    }
  });

  it('names the owners under the versions that still hold data', async () => {
    const previous = [
      { version: 1, shards: ['s0'] },
      { version: 2, shards: ['s2'] },
    ];
    const { stdout } = await topology('route', TRACE, '--config', configFile(3, THREE, { previous }));
    const rows = stdout.split('\n').filter(line => /^ +\d/.test(line));
    expect(rows.map(row => row.trim().split(/\s+/))).toEqual([
      ['3', expect.stringMatching(/^s[01]$/), 'active'],
      ['2', 's2', 'draining'],
      ['1', 's0', 'active'],
    ]);
  });

  it.each([
    [['route']],
    [['route', 'checkout']],
    [['route', '0'.repeat(32)]],
    [['route', TRACE, '--service', 'x']],
  ])('is a usage error for %j', async argv => {
    expect((await topology(...argv, '--config', configFile(1, THREE))).exitCode).toBe(2);
  });
});

describe('otelfan topology reroute', () => {
  it('moves the batches of a draining shard and of one that is gone, and says where to', async () => {
    const config = configFile(2, THREE);
    for (const shard of ['s2', 'gone']) {
      await inQueue(queue =>
        queue.enqueue([traceBatch({ shard, slices: [['a', 'b', 'c', 'd', 'e', 'f']] })]),
      );
      const { stdout, exitCode } = await topology('reroute', shard, '--config', config);
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(new RegExp(`^Re-routed 1 batch of shard ${shard} with 6 records .*: s\\d \\d`));
    }
    await inQueue(async queue => {
      expect(await claimAll(queue, 's2')).toEqual([]);
      expect(await claimAll(queue, 'gone')).toEqual([]);
    });
  });

  it('prints what it did as JSON', async () => {
    await inQueue(queue => queue.enqueue([traceBatch({ shard: 's2', slices: [['a']] })]));
    const { stdout } = await topology('reroute', 's2', '--json', '--config', configFile(2, THREE));
    const [to] = Object.keys((JSON.parse(stdout) as { recordsTo: object }).recordsTo);
    expect(JSON.parse(stdout)).toEqual({
      kind: 'done',
      batches: 1,
      records: 1,
      sizeBytes: expect.any(Number) as number,
      deadBatches: 0,
      batchesLeft: 0,
      recordsTo: { [to as string]: 1 },
    });
  });

  it('refuses an active shard', async () => {
    const { stderr, exitCode } = await topology('reroute', 's0', '--config', configFile(2, THREE));
    expect(exitCode).toBe(2);
    expect(stderr).toContain('shard s0 is active');
  });

  it('refuses a --wait of 0, saying what it takes', async () => {
    const { stderr, exitCode } = await topology(
      'reroute',
      's2',
      '--wait',
      '0',
      '--config',
      configFile(2, THREE),
    );
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--wait 0: expected a whole number above 0 with ms, s, m, h or d');
  });

  it('says so when the queue never had a batch for the shard', async () => {
    await inQueue(queue => queue.enqueue([traceBatch({ shard: 's0', slices: [['a']] })]));
    const { stderr, exitCode } = await topology('reroute', 's9', '--config', configFile(2, THREE));
    expect(exitCode).toBe(1);
    expect(stderr).toBe('the queue never had a batch for a shard s9; it had for s0');
  });

  it('ends with 3 when batches are left', async () => {
    const newer = traceBatch({ shard: 's2', slices: [['a']], change: { topologyVersion: 7 } });
    await inQueue(queue => queue.enqueue([newer]));
    const { stdout, exitCode } = await topology('reroute', 's2', '--config', configFile(2, THREE));
    expect(exitCode).toBe(3);
    expect(stdout).toContain('Stopped with 1 batch left: ');
    expect(traceId('a')).toHaveLength(32);
  });
});
