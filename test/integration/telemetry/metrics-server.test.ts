import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import {
  createMetricsServer,
  type MetricsServerOptions,
} from '../../../src/ingest/telemetry/metrics-server.ts';
import { createTelemetry } from '../../../src/ingest/telemetry/telemetry.ts';
import type { HttpListener } from '../../../src/shared/http-listener.ts';
import { scrape } from '../../support/metrics.ts';

const servers: HttpListener[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function open(with_: Partial<MetricsServerOptions> = {}): Promise<HttpListener> {
  const telemetry = createTelemetry('primary');
  const server = await createMetricsServer({
    host: '127.0.0.1',
    port: 0,
    snapshots: async () => [await telemetry.snapshot()],
    logger: pino({ level: 'silent' }),
    ...with_,
  });
  servers.push(server);
  return server;
}

const urlOf = ({ port }: HttpListener) => `http://127.0.0.1:${port}`;

it('answers /metrics in the Prometheus text format and nothing else', async () => {
  const url = urlOf(await open());
  const response = await fetch(`${url}/metrics?x=1`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(await response.text()).toMatch(/^# HELP \w+ .+\n# TYPE \w+ \w+\n/);
  expect((await scrape(url)).length).toBeGreaterThan(50);
  expect((await fetch(`${url}/queues`)).status).toBe(404);
  expect((await fetch(url)).status).toBe(404);
});

it('takes any free port where it may when the wanted one is taken, and else says so', async () => {
  const first = await open();
  const second = await open({ port: first.port, orAnyPort: true });
  expect(second.port).not.toBe(first.port);
  expect((await scrape(urlOf(second))).length).toBeGreaterThan(50);
  await expect(open({ port: first.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

it('says 500 and goes on when metrics could not be read once', async () => {
  let isBroken = true;
  const url = urlOf(await open({ snapshots: async () => (isBroken ? Promise.reject(new Error('no')) : []) }));
  expect((await fetch(`${url}/metrics`)).status).toBe(500);
  isBroken = false;
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
});
