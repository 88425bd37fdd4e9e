import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { traceKey } from '../../src/shared/topology/shard-key.ts';
import type { ShardSpec } from '../../src/shared/topology/topology.ts';
import { type EvalSite, startEvalSite } from '../support/eval-site.ts';
import { spanId, traceId } from '../support/otlp-samples.ts';
import type { TestShard } from '../support/test-shard.ts';

const TRACE = traceId('moved');
const SPAN = spanId('runner');
const TIME = '2023-11-14T22:13:20Z';

let site: EvalSite;
let specOf: (spec: ShardSpec) => ShardSpec;
const stops: (() => unknown)[] = [];
afterEach(async () => {
  await site.stop();
  for (const stop of stops.splice(0)) await stop();
});

async function start(count: number): Promise<void> {
  specOf = spec => spec;
  site = await startEvalSite(count, { specOf: spec => specOf(spec) });
}

/** From here on new spans go to the shards that remain. */
function drain(index: number): void {
  specOf = spec => (spec.id === `s${index}` ? { ...spec, state: 'draining' } : spec);
}

const runnerSpan = (more: object = {}, headers: Record<string, string> = {}) =>
  site.post(
    '/api/v1/evals/runner-spans',
    {
      suite_id: 'suite',
      run_id: 'run',
      case_id: 'case',
      trace_id: TRACE,
      span_id: SPAN,
      start_time: TIME,
      ...more,
    },
    { 'content-type': 'application/json', ...headers },
  );
const spansOf = async (index: number) =>
  (await (site.shards[index] as TestShard).read('spans', { limit: 10 })).rows;
const counts = () => Promise.all(site.shards.map(async (_, index) => (await spansOf(index)).length));

describe('a runner span that is posted again after its trace was given another owner', () => {
  it('replaces the one before, in rows and in aggregates', async () => {
    await start(2);
    const old = site.ownerOf(traceKey(TRACE));
    // The greater bytes are those of the first: the later is shown for being later.
    expect((await runnerSpan({ code_version: 'z', status: 'unset' })).status).toBe(201);
    drain(old);
    const again = await runnerSpan({ code_version: 'a', status: 'error' });
    expect(again.status).toBe(201);
    expect(await spansOf(old)).toEqual([again.body.span]);
    expect(await spansOf(1 - old)).toEqual([]);
    const trace = await site.query.get(`/api/v1/traces/${TRACE}`);
    expect(trace.body).toMatchObject({ span_count: 1, spans: [again.body.span] });
    const summary = await site.query.get('/api/v1/summary');
    expect(summary.body.traces).toMatchObject({ span_count: 1, error_count: 1 });
  });

  it('replaces a span of an app as well', async () => {
    await start(2);
    const old = site.ownerOf(traceKey(TRACE));
    await site.send('traces', {
      resourceSpans: [
        {
          scopeSpans: [
            {
              spans: [
                { traceId: TRACE, spanId: SPAN, name: 'theirs', startTimeUnixNano: '1700000000000000000' },
              ],
            },
          ],
        },
      ],
    });
    drain(old);
    const { body } = await runnerSpan();
    expect(await spansOf(old)).toEqual([body.span]);
    expect(await spansOf(1 - old)).toEqual([]);
  });

  it('is answered as before when it came under the same Idempotency-Key', async () => {
    await start(2);
    const old = site.ownerOf(traceKey(TRACE));
    const headers = { 'idempotency-key': '"8e03978e"' };
    const first = await runnerSpan({ start_time: undefined }, headers);
    drain(old);
    const again = await runnerSpan({ start_time: undefined }, headers);
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(await counts()).toEqual([0, 1].map(index => (index === old ? 1 : 0)));
  });

  it('is stored where it is although another shard is down', async () => {
    await start(3);
    const old = site.ownerOf(traceKey(TRACE));
    expect((await runnerSpan()).status).toBe(201);
    drain(old);
    await site.down((old + 1) % 3);
    const { status, body } = await runnerSpan({ status: 'ok' });
    expect(status).toBe(201);
    expect(await spansOf(old)).toEqual([body.span]);
  });
});

describe('a runner span that no shard has', () => {
  it('goes to the owner of its trace after a change of the topology', async () => {
    await start(2);
    const old = site.ownerOf(traceKey(TRACE));
    const ofTrace = { trace_id: TRACE, span_id: spanId('other') };
    expect((await runnerSpan(ofTrace)).status).toBe(201);
    drain(old);
    expect((await runnerSpan()).status).toBe(201);
    expect(await counts()).toEqual([1, 1]);
  });

  it('is a 503 that names the shard that may have it, and is stored nowhere', async () => {
    await start(3);
    const old = site.ownerOf(traceKey(TRACE));
    drain(old);
    await site.down(old);
    const { status, body, headers } = await runnerSpan();
    expect(status).toBe(503);
    expect(body.error).toMatch(
      new RegExp(`^runner span not stored, as shard s${old} may have what it replaces: .*ECONNREFUSED`),
    );
    expect(headers.get('retry-after')).toBe('1');
    for (const index of [0, 1, 2].filter(each => each !== old)) expect(await spansOf(index)).toEqual([]);
  });

  it('is taken while another shard is down when no trace can have moved', async () => {
    await start(2);
    await site.down(1 - site.ownerOf(traceKey(TRACE)));
    expect((await runnerSpan()).status).toBe(201);
  });
});

describe('a runner span that a draining tael-server has', () => {
  it.each([
    ['is posted to it', SPAN, 'tael'],
    ['is not posted to it when it has another span of the trace only', spanId('other'), 'owner'],
  ])('%s', async (_what, has, target) => {
    await start(2);
    const old = site.ownerOf(traceKey(TRACE));
    const posted: unknown[] = [];
    const server = createServer(async (request, response) => {
      if (request.method === 'POST') {
        posted.push(JSON.parse(await text(request)));
        response.writeHead(201).end('{"span":{"from":"tael"}}');
      } else if (request.url === `/api/v1/traces/${TRACE}`) {
        const span = { trace_id: TRACE, span_id: has, start_time: TIME, end_time: TIME };
        response.writeHead(200).end(JSON.stringify({ spans: [span] }));
      } else response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    stops.push(() => {
      server.close();
      server.closeAllConnections();
    });
    const read = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    specOf = spec => (spec.id === `s${old}` ? { ...spec, kind: 'tael', state: 'draining', read } : spec);
    const { status, body } = await runnerSpan();
    expect(status).toBe(201);
    if (target === 'tael') expect(body).toEqual({ span: { from: 'tael' } });
    expect(posted.length).toBe(target === 'tael' ? 1 : 0);
    expect((await spansOf(1 - old)).length).toBe(target === 'tael' ? 0 : 1);
  });
});
