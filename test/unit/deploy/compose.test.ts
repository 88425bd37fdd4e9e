import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/shared/config/load.ts';
import { COMPOSE_FILE, composeServices, otelfanServices } from '../../support/compose-file.ts';

function composeTool(): { command: string; args: string[] } | undefined {
  const candidates = [
    { command: 'docker', args: ['compose'] },
    { command: 'docker-compose', args: [] },
  ];
  return candidates.find(({ command, args }) => spawnSync(command, [...args, 'version']).status === 0);
}

const tool = composeTool();

describe('docker-compose.yml', () => {
  it('is accepted by the compose tool', context => {
    if (tool === undefined) {
      context.skip('neither docker compose nor docker-compose is on PATH');
      return;
    }
    const args = [...tool.args, '-f', COMPOSE_FILE, 'config', '-q'];
    const { status, stderr } = spawnSync(tool.command, args, { encoding: 'utf8' });
    expect(stderr).not.toMatch(/error|invalid/i);
    expect(status).toBe(0);
  });

  it('has three shards, two ingest routers and two query proxies', () => {
    expect(otelfanServices('shard').map(([name]) => name)).toEqual(['shard-0', 'shard-1', 'shard-2']);
    expect(otelfanServices('ingest').map(([name]) => name)).toEqual(['ingest-0', 'ingest-1']);
    expect(otelfanServices('query').map(([name]) => name)).toEqual(['query-0', 'query-1']);
  });

  it.each(['shard', 'ingest', 'query'])('gives %s a configuration that is valid', command => {
    for (const [, { environment }] of otelfanServices(command)) {
      expect(loadConfig({ env: environment })).toMatchObject({ ok: true });
    }
  });

  it('names only its own services as shards, and the same ones to ingest and query', () => {
    const services = composeServices();
    const topologies = ['ingest', 'query'].flatMap(otelfanServices).map(([, { environment }]) => {
      const loaded = loadConfig({ env: environment });
      return loaded.ok ? loaded.config.topology : undefined;
    });
    for (const topology of topologies) {
      expect(topology).toEqual(topologies[0]);
      for (const shard of topology?.shards ?? []) {
        for (const address of [shard.otlp, shard.read])
          expect(services).toHaveProperty(new URL(address).hostname);
      }
    }
  });

  it('has Redis keep everything: append-only file, no eviction, a bound', () => {
    const command = composeServices().redis?.command?.join(' ');
    expect(command).toContain('--appendonly yes');
    expect(command).toContain('--maxmemory-policy noeviction');
    expect(command).toMatch(/--maxmemory \d+/);
  });

  it('keeps the queue below half of what Redis may hold, and one shard below half of the queue', () => {
    const [, maxMemory = ''] =
      /--maxmemory (\d+)gb/.exec(composeServices().redis?.command?.join(' ') ?? '') ?? [];
    for (const [, { environment }] of otelfanServices('ingest')) {
      const loaded = loadConfig({ env: environment });
      if (!loaded.ok) throw new Error(loaded.errors.join('; '));
      const { maxBytes, maxShardBytes } = loaded.config.queue;
      expect(0.5 * Number(maxMemory) * 1024 ** 3).toBeGreaterThan(maxBytes);
      expect(0.5 * maxBytes).toBeGreaterThan(maxShardBytes);
    }
  });

  it('balances over exactly the replicas it starts', () => {
    const config = readFileSync(join(dirname(COMPOSE_FILE), 'deploy', 'haproxy.cfg'), 'utf8');
    const servers = [...config.matchAll(/^\s*server (\S+) (\S+):\d+/gm)].map(([, name, host]) => [
      name,
      host,
    ]);
    for (const [name, host] of servers) expect(host).toBe(name);
    const replicas = ['ingest', 'query'].flatMap(otelfanServices).map(([name]) => name);
    expect(new Set(servers.map(([name]) => name))).toEqual(new Set(replicas));
  });
});
