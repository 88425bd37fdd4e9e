import { afterEach, describe, expect, it } from 'vitest';
import { type RunningCli, startCli } from '../support/cli.ts';
import { listenLive } from '../support/live-client.ts';
import { tracesOf } from '../support/otlp-samples.ts';
import { temporaryFolder } from '../support/systems.ts';
import { otlpBytes, post } from '../support/test-shard.ts';

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const portOf = (url = '') => new URL(url).port;

describe('the live feed of a query process', () => {
  it('goes on over a shard that is killed and started again, and breaks off when the process stops', async () => {
    const folder = await temporaryFolder();
    endings.push(folder.remove);
    const startShard = async (id: string, otlpPort = '0', readPort = '0') => {
      const args = ['--id', id, '--data-dir', folder.path, '--otlp-port', otlpPort, '--read-port', readPort];
      const shard = await startCli(['shard', ...args]);
      endings.push(() => shard.stop());
      return shard;
    };
    const [stays, killed] = await Promise.all(['s0', 's1'].map(id => startShard(id)));
    const shards = [stays, killed].map((shard, index) => ({ id: `s${index}`, ...shard?.addresses }));
    const query = await startCli(['query', '--api-port', '0'], {
      OTELFAN_TOPOLOGY: JSON.stringify({
        version: 1,
        shards: shards.map(({ id, otlp, read }: Record<string, string>) => ({ id, otlp, read })),
      }),
    });
    endings.push(() => query.stop());
    const client = await listenLive(`${query.addresses.api}/api/v1/traces/live`);
    endings.push(() => Promise.resolve(client.close()));
    const names = () =>
      client
        .events()
        .flat()
        .map(row => row.operation)
        .toSorted();
    const send = (shard: RunningCli | undefined, name: string) =>
      post(shard?.addresses.otlp ?? '', {
        signal: 'traces',
        body: otlpBytes('traces', tracesOf('shop', [{ trace: 1, span: 1, name }])),
      });

    await send(killed, 'before');
    await expect.poll(names).toEqual(['before']);
    await killed?.kill();
    await expect.poll(() => client.comments()[0]).toMatch(/^: gap s1: /);
    await send(stays, 'meanwhile');
    const again = await startShard('s1', portOf(killed?.addresses.otlp), portOf(killed?.addresses.read));
    await expect.poll(() => client.comments()[1], { timeout: 30_000 }).toBe(': resumed s1');
    await send(again, 'after');
    await expect.poll(names).toEqual(['after', 'before', 'meanwhile']);

    await query.stop();
    await expect.poll(() => client.ending()).toBe('broken off');
  });
});
