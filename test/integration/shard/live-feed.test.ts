import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createLiveRoute } from '../../../src/shard/api/live-route.ts';
import { createLiveFeed, type LiveFeedOptions } from '../../../src/shard/live/live-feed.ts';
import { createReadServer } from '../../../src/shard/read-server.ts';
import { LOG_ROWS } from '../../../src/shard/rows/log-row.ts';
import { SPAN_ROWS } from '../../../src/shard/rows/span-row.ts';
import { emptyRecords, type Records, type SpanRecord } from '../../../src/shard/store/tables.ts';
import { stopAll } from '../../../src/shared/lifecycle.ts';
import { type LiveKind, livePath } from '../../../src/shared/read/live.ts';
import { type LiveClient, listenLive } from '../../support/live-client.ts';
import { logRecord } from '../../support/shard-store.ts';

const clients: LiveClient[] = [];
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const stop of stops.splice(0)) await stop();
});

/** A feed behind a real server; what would be committed is published by the test. */
async function startFeed(options: Partial<LiveFeedOptions> = {}) {
  const feed = createLiveFeed({
    spanRowJson: ({ operation, attributes }) => JSON.stringify({ operation, attributes }),
    logRowJson: ({ body }) => JSON.stringify({ body }),
    ...options,
  });
  const server = await createReadServer({
    host: '127.0.0.1',
    port: 0,
    routes: [createLiveRoute(feed)],
    notReadyReason: () => undefined,
    notReadableReason: () => undefined,
    metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
    logger: pino({ level: 'silent' }),
  });
  const stop = () => stopAll([feed, server]);
  stops.push(stop);
  const base = `http://127.0.0.1:${server.port}`;
  return {
    feed,
    stop,
    base,
    async listen(filter: Record<string, string> = {}, kind: LiveKind = 'spans') {
      const client = await listenLive(`${base}${livePath(kind)}?${new URLSearchParams(filter)}`);
      clients.push(client);
      return client;
    },
  };
}

function spans(...operations: string[]): Records {
  return { ...emptyRecords(), spans: operations.map(operation => span(operation)) };
}

function span(operation: string, attributes = '{}'): SpanRecord {
  return {
    traceId: 1n,
    slot: 0,
    traceKey: 1n,
    spanId: 1n,
    parentSpanId: 0n,
    service: 'shop',
    operation,
    startNs: 0n,
    durationNs: 0n,
    status: 'ok',
    kind: 'server',
    attributes,
    events: null,
    llm: null,
    otlp: null,
    source: { resource: '{}', scope: '{}' },
    replaces: false,
  };
}

describe('a subscriber of the live feed', () => {
  it('is told at once that the feed has begun, before there is anything to tell', async () => {
    const { listen } = await startFeed();
    const client = await listen();
    expect(client.status).toBe(200);
    expect(client.headers['content-type']).toBe('text/event-stream');
    expect(client.headers['cache-control']).toBe('no-cache');
  });

  it('gets comments while nothing happens', async () => {
    const { listen } = await startFeed({ heartbeatMs: 20 });
    const client = await listen();
    await expect.poll(() => client.text()).toMatch(/^(?::\n\n){3}/);
  });

  it('that does not read costs a bounded amount of memory and learns how much it missed', async () => {
    const { feed, listen } = await startFeed();
    const stalled = await listen();
    const brisk = await listen();
    stalled.pause();

    const total = 200;
    const attributes = JSON.stringify({ text: 'x'.repeat(256 * 1024) });
    for (let no = 0; no < total; no++) {
      feed.publish([{ ...emptyRecords(), spans: [span(String(no), attributes)] }]);
      await expect.poll(() => brisk.text().length, { interval: 1 }).toBeGreaterThan(no * attributes.length);
    }
    stalled.resume();
    await expect.poll(() => stalled.events().flat().at(-1)?.operation).toBe(String(total - 1));
    // All that was kept for it, by the feed and in the buffers of both ends, arrives now: at most 25 of 50 MiB.
    const received = stalled.events().flat().length;
    const dropped = stalled.comments().map(text => Number(/^: dropped (\d+)$/.exec(text)?.[1]));
    expect(dropped.reduce((sum, rows) => sum + rows, received)).toBe(total);
    expect(received).toBeLessThan(total / 2);
    expect(brisk.events()).toHaveLength(total);
    expect(brisk.comments()).toEqual([]);
  });

  it.each(['spans', 'logs'] as const)(
    'gets %s in events of a bounded size, however large the texts are that each of them shows',
    async kind => {
      const large = 'x'.repeat(64 * 1024);
      const source = { resource: JSON.stringify({ resource: large }), scope: '{}' };
      const { feed, listen } = await startFeed({
        spanRowJson: SPAN_ROWS.json,
        logRowJson: LOG_ROWS.json,
      });
      const client = await listen({}, kind);
      const records = {
        spans: Array.from({ length: 40 }, () => ({ ...span('op'), source })),
        logs: Array.from({ length: 40 }, () => logRecord('said', { source })),
      };
      feed.publish([{ ...emptyRecords(), [kind]: records[kind] }]);
      await expect.poll(() => client.events().flat()).toHaveLength(40);
      // 256 KiB are reached with the fourth row.
      expect(client.events().map(rows => rows.length)).toEqual(Array.from({ length: 10 }, () => 4));
    },
  );

  it('may leave, and come back for what is stored from then on', async () => {
    const { feed, listen } = await startFeed();
    const first = await listen();
    feed.publish([spans('seen')]);
    await expect.poll(() => first.events().flat()).toHaveLength(1);
    first.close();
    await expect.poll(() => first.ending()).toBe('broken off');

    const second = await listen();
    feed.publish([spans('afterwards')]);
    await expect
      .poll(() =>
        second
          .events()
          .flat()
          .map(row => row.operation),
      )
      .toEqual(['afterwards']);
  });

  it('is refused when there are too many, until one leaves', async () => {
    const { listen } = await startFeed({ maxSubscribers: 2 });
    const first = await listen();
    await listen();
    const refused = await listen();
    expect(refused.status).toBe(503);
    await expect.poll(() => refused.text()).toBe('{"error":"there are 2 live subscribers already"}');

    first.close();
    await expect.poll(async () => (await listen()).status).toBe(200);
  });

  it('is broken off when the shard stops, at once and never ended cleanly', async () => {
    const { stop, listen } = await startFeed();
    const client = await listen();
    const startedAt = performance.now();
    await stop();
    expect(performance.now() - startedAt).toBeLessThan(4000);
    await expect.poll(() => client.ending()).toBe('broken off');
  });

  it('is told which parameter is bad', async () => {
    const { base } = await startFeed();
    const reasons: Record<string, RegExp> = {
      'spans?status=ERROR': /status: .*"error"/,
      'spans?severity=error': /severity/,
      'logs?severity=loud': /severity: .*"warn"/,
      'logs?service=a&service=b': /service is given twice/,
    };
    for (const [path, reason] of Object.entries(reasons)) {
      const response = await fetch(`${base}/internal/v1/live/${path}`);
      expect(response.status).toBe(400);
      expect(((await response.json()) as { error: string }).error).toMatch(reason);
    }
    expect((await fetch(`${base}/internal/v1/live/metrics`)).status).toBe(404);
  });
});
