import { afterAll, expect, it } from 'vitest';
import { type RunningCli, startCli } from '../support/cli.ts';
import { otelfanServices } from '../support/compose-file.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { eventually, get } from '../support/read-api.ts';
import { startRedis } from '../support/redis.ts';
import { temporaryFolder } from '../support/systems.ts';

/*
 * Every process of docker-compose.yml with exactly its command and environment. Only what a container network
 * provides is replaced: service names and the wildcard address by this machine, ports by free ones, volumes by
 * temporary folders.
 */
const cleanUp: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const undo of cleanUp.reverse()) await undo();
});

const addresses = new Map<string, string>();

async function startService(
  name: string,
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
) {
  const onThisMachine = Object.fromEntries(
    Object.entries(environment).map(([variable, value]) => {
      let mapped = value.replace('0.0.0.0', '127.0.0.1');
      for (const [from, to] of addresses) mapped = mapped.replaceAll(from, to);
      return [variable, mapped];
    }),
  );
  if ('OTELFAN_DATA_DIR' in environment) {
    const volume = await temporaryFolder();
    cleanUp.push(volume.remove);
    onThisMachine.OTELFAN_DATA_DIR = volume.path;
  }
  for (const variable of Object.keys(environment)) {
    if (variable.endsWith('_HOST')) onThisMachine[variable.replace(/_HOST$/, '_PORT')] = '0';
  }
  const running: RunningCli = await startCli(command, onThisMachine);
  cleanUp.push(() => running.stop());
  return { name, ...running.addresses } as { name: string } & Record<string, string>;
}

it('the processes of docker-compose.yml work together: either ingest takes, either query answers with all of it', async () => {
  const redis = await startRedis();
  cleanUp.push(() => redis.stop());
  addresses.set('redis://redis:6379', redis.url);
  for (const [name, { command, environment }] of otelfanServices('shard')) {
    const { otlp = '', read = '' } = await startService(name, command, environment);
    addresses.set(`http://${name}:4318`, otlp);
    addresses.set(`http://${name}:7800`, read);
  }
  const start = (kind: string) =>
    Promise.all(
      otelfanServices(kind).map(([name, service]) =>
        startService(name, service.command, service.environment),
      ),
    );
  const ingests = await start('ingest');
  const queries = await start('query');

  for (const [index, { http, health }] of ingests.entries()) {
    expect((await fetch(`${health}/readyz`)).status).toBe(200);
    const spans = Array.from({ length: 30 }, (_, i) => ({
      traceId: `${index + 1}${i}`.padStart(32, '0'),
      spanId: 'ab'.repeat(8),
      name: `${index}-${i}`,
    }));
    const response = await fetch(`${http}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
    });
    expect(await response.text()).toBe('{}');
  }
  const answers = [];
  for (const { api } of queries) {
    expect((await fetch(`${api}/readyz`)).status).toBe(200);
    const { body } = await eventually(
      () => get(api as string, 'traces?limit=1000'),
      answer => (answer.body.spans as Json[]).length === 60,
    );
    expect(body).toMatchObject({ partial: false, shards: { total: 3, ok: 3 } });
    answers.push(body);
  }
  expect(answers[0]).toEqual(answers[1]);
});
