import { connect } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createReadRoutes } from '../../../src/shard/api/read-route.ts';
import { createReadServer } from '../../../src/shard/read-server.ts';
import { parseRead } from '../../../src/shard/reads/call.ts';
import { createReader } from '../../../src/shard/reads/reader.ts';
import type { HttpListener } from '../../../src/shared/http-listener.ts';
import { MAX_BYTES_HEADER, readPath, type ShardReadRequest } from '../../../src/shared/read/contract.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { createTurns } from '../../../src/shared/turns.ts';
import { tracesOf } from '../../support/otlp-samples.ts';
import { NO_WRITER, openReaders, type ReadTestShard } from '../../support/read-shards.ts';
import { postRead, startTestShard, type TestShard } from '../../support/test-shard.ts';

const SPANS = Array.from({ length: 6 }, (_, index) => ({
  trace: index % 2,
  span: index + 1,
  start: 100 + index,
  durationNs: index,
  name: `op${index}`,
}));

describe('an answer', () => {
  let shard: TestShard;
  afterAll(() => shard.remove());

  it('ends at the rows a shard gives, and says so', async () => {
    shard = await startTestShard({ maxAnswerRows: 4 });
    await shard.send('traces', tracesOf('shop', SPANS));
    const cut = { rows: 4, asOf: '1', truncated: true, truncatedBy: 'shard.maxAnswerRows' };
    expect((await shard.read('spans', { limit: 5 })).trailer).toEqual(cut);
    expect((await shard.read('groupCounts', { of: 'spans', by: ['operation'] })).trailer).toEqual(cut);
    expect((await shard.read('durationValues', { ranges: [{ minNs: '0', maxNs: '9' }] })).trailer).toEqual(
      cut,
    );
  });

  it('that ends at its own limit, or where there is no more, is whole', async () => {
    const whole = { rows: 4, asOf: '1', truncated: false };
    expect((await shard.read('spans', { limit: 4 })).trailer).toEqual(whole);
    expect((await shard.read('spans', { limit: 100, fromNs: '102' })).trailer).toEqual(whole);
  });

  it('ends at the bytes a shard gives, and says so', async () => {
    await shard.remove();
    shard = await startTestShard({ maxAnswerBytes: 1500 });
    await shard.send('traces', tracesOf('shop', SPANS));
    const response = await postRead(shard.readUrl, 'spans', { limit: 100 });
    const lines = (await response.text()).split('\n').slice(0, -1);
    const rows = lines.length - 1;
    expect(lines.slice(0, -1).join('\n').length).toBeLessThanOrEqual(1500);
    expect(rows).toBeGreaterThan(0);
    expect(rows).toBeLessThan(SPANS.length);
    expect(JSON.parse(lines.at(-1) as string)).toEqual({
      end: { rows, asOf: '1', truncated: true, truncatedBy: 'shard.maxAnswerBytes' },
    });
  });

  it('ends at the bytes that its caller takes, where those are fewer', async () => {
    const trailerFor = async (maxBytes: string) => {
      const response = await postRead(
        shard.readUrl,
        'spans',
        { limit: 100 },
        { headers: { [MAX_BYTES_HEADER]: maxBytes } },
      );
      return {
        status: response.status,
        last: JSON.parse((await response.text()).trimEnd().split('\n').at(-1) as string),
      };
    };
    const { last } = await trailerFor('1000');
    expect(last.end).toMatchObject({ truncated: true, truncatedBy: 'query.maxShardAnswerBytes' });
    expect(last.end.rows).toBeLessThan((await trailerFor('9999')).last.end.rows);
    expect(await trailerFor('1k')).toEqual({
      status: 400,
      last: { error: 'bad otelfan-max-bytes "1k": expected a whole number of bytes' },
    });
  });
});

describe('rows that are long', () => {
  const ROWS = 12_000;
  const TEXT_BYTES = 1000;
  let shard: ReadTestShard;
  beforeAll(async () => {
    [shard] = (await openReaders(1)) as [ReadTestShard];
    const long = `'{"k":"' || repeat('x', ${TEXT_BYTES}) || '"}'`;
    await shard.connection.run(`
      INSERT INTO store.sources VALUES (1, '{}', '{}');
      INSERT INTO store.spans
      SELECT i, 0, i, 0, 'shop', 'op', i // 10, i, 'unset', 'internal', ${long}, NULL, NULL, NULL, 1, 1, NULL
      FROM range(1, ${ROWS + 1}) t(i);
      INSERT INTO store.logs
      SELECT i // 10, 0, 0, 0, 'info', '', repeat('x', ${TEXT_BYTES}), NULL, 'shop', '{}', NULL, 1, i % 3, 1
      FROM range(${ROWS}) t(i);
      INSERT INTO store.metrics
      SELECT i // 10, 'shop', 'm', 'gauge', 1, '', ${long}, NULL, 1, i % 3, 1 FROM range(${ROWS}) t(i);
      INSERT INTO store.commits VALUES (1, 0, ${ROWS}, ${ROWS}, ${ROWS}, ${ROWS}, ${ROWS}, ${ROWS})`);
  });
  afterAll(() => shard.remove());

  it.each<['spans' | 'logs' | 'metrics', object]>([
    ['spans', {}],
    ['logs', {}],
    ['logs', { bodyContains: 'x' }],
    ['metrics', {}],
    ['metrics', { oldestFirst: true }],
  ])('are all there over the pages they are read in: %s %o', async (name, request) => {
    const { keys, trailer } = await shard.read(name, { ...request, limit: 1_000_000 });
    expect(trailer).toEqual({ rows: ROWS, asOf: '1', truncated: false });
    const texts = keys.map(String);
    const ascending = 'oldestFirst' in request ? texts : texts.toReversed();
    expect(ascending).toEqual(texts.toSorted());
    if (name === 'spans') expect(new Set(texts).size).toBe(ROWS);
  });

  it.each<'spans' | 'logs' | 'metrics'>(['spans', 'logs', 'metrics'])(
    'are not all read when an answer cannot have them: %s',
    async name => {
      const caps = { maxRows: 1_000_000, maxBytes: 5_000_000 };
      const reader = createReader({
        database: shard.database,
        hash: await createHash(),
        caps,
        writer: NO_WRITER,
        indexBytes: 1024 ** 2,
      });
      const call = parseRead(name, { limit: 1_000_000 });
      if (call.kind === 'refused') throw new Error(call.message);
      const answer = await reader.read(call.value, new AbortController().signal);
      if (answer.kind === 'gone') throw new Error(answer.reason);
      const trailer = [...answer.lines].at(-1);
      expect(trailer).toMatch(/"truncated":true,"truncatedBy":"shard.maxAnswerBytes"/);
    },
  );
});

describe('reads in turn', () => {
  let shard: ReadTestShard;
  let server: HttpListener;
  let readUrl: string;
  const callers: AbortController[] = [];
  beforeAll(async () => {
    [shard] = (await openReaders(1)) as [ReadTestShard];
    await shard.connection.run(`INSERT INTO store.sources VALUES (1, '{}', '{}');
      INSERT INTO store.spans
      SELECT i, 0, i, 0, 'shop', 'op', i, i, 'unset', 'internal', '{}', NULL, NULL, NULL, 1, 1, NULL
      FROM range(1, 200001) t(i);
      INSERT INTO store.commits (commit_no, stored_at_ms, spans, logs, metrics) VALUES (1, 0, 200000, 0, 0)`);
    const turns = createTurns({ running: 1, waiting: 1 });
    server = await createReadServer({
      host: '127.0.0.1',
      port: 0,
      routes: createReadRoutes({ reader: shard.reader, turns, stallMs: 1000 }),
      notReadyReason: () => undefined,
      notReadableReason: () => undefined,
      metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
      logger: pino({ level: 'silent' }),
    });
    readUrl = `http://127.0.0.1:${server.port}`;
  });
  afterAll(async () => {
    for (const caller of callers) caller.abort();
    await server.stop();
    await shard.remove();
  });

  /** Minutes of work: every span is in every range, and the ranges need 128 bits. */
  const LONG: ShardReadRequest<'durationBuckets'> = {
    ranges: Array.from({ length: 1000 }, () => ({ minNs: `-${2n ** 63n}`, maxNs: `${2n ** 63n - 1n}` })),
  };

  function start(request: ShardReadRequest<'durationBuckets'>): AbortController {
    const caller = new AbortController();
    callers.push(caller);
    postRead(readUrl, 'durationBuckets', request, { signal: caller.signal }).catch(() => {});
    return caller;
  }

  /** How a quick read is answered, if it is. */
  async function probe(): Promise<number | 'waits'> {
    try {
      const { status } = await postRead(readUrl, 'holdings', {}, { signal: AbortSignal.timeout(200) });
      return status;
    } catch {
      return 'waits';
    }
  }

  it('are refused while enough wait, and make room when their callers go away', async () => {
    const running = start(LONG);
    await expect.poll(probe).toBe('waits');
    const waiting = start(LONG);
    await expect.poll(probe).toBe(503);
    waiting.abort();
    await expect.poll(probe).toBe('waits');
    running.abort();
    await expect.poll(probe).toBe(200);
  });

  it('make room when a caller takes nothing of its answer', async () => {
    const body = JSON.stringify({ limit: 200_000 });
    const silent = connect(server.port, '127.0.0.1').pause();
    silent.on('error', () => {});
    silent.write(
      `POST ${readPath('spans')} HTTP/1.1\r\nhost: shard\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await expect.poll(probe).toBe('waits');
    await expect.poll(probe).toBe(200);
    silent.destroy();
  });
});
