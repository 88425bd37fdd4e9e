import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBlobRoute } from '../../../src/shard/api/blob-routes.ts';
import { createReadServer } from '../../../src/shard/read-server.ts';
import { MAX_BLOB_BYTES } from '../../../src/shared/read/writes.ts';
import { attribute, logsOf, tracesOf } from '../../support/otlp-samples.ts';
import { openTestStore } from '../../support/shard-store.ts';
import { getBlob, putBlob, sha256 } from '../../support/shard-writes.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;
beforeEach(async () => {
  shard = await startTestShard();
});
afterEach(() => shard.remove());

describe('blobs', () => {
  it.each([
    ['text', 'a rationale ✓'],
    ['nothing', ''],
    ['bytes that are no text', new Uint8Array([0, 255, 10, 13, 92, 39])],
    ['as much as may be', new Uint8Array(MAX_BLOB_BYTES)],
  ])('come back as they were stored: %s', async (_what, content) => {
    const name = sha256(content);
    const stored = { status: 200, body: { sha256: name, size: Buffer.byteLength(content) } };
    expect(await putBlob(shard.readUrl, content)).toEqual(stored);
    expect(await putBlob(shard.readUrl, content)).toEqual(stored);
    await shard.restart();
    const response = await fetch(`${shard.readUrl}/internal/v1/blobs/${name}`);
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(content))).toBe(true);
  });

  it('are stored once that arrive many times at once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => putBlob(shard.readUrl, 'same')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await getBlob(shard.readUrl, sha256('same'))).toBe('same');
  });

  it('are refused under another hash, and when they are too large', async () => {
    const other = sha256('other');
    expect(await putBlob(shard.readUrl, 'content', other)).toMatchObject({ status: 400 });
    expect(await getBlob(shard.readUrl, other)).toBeUndefined();
    const tooLarge = await putBlob(shard.readUrl, new Uint8Array(MAX_BLOB_BYTES + 1));
    expect(tooLarge).toMatchObject({
      status: 413,
      body: { error: expect.stringContaining('2097152') as string },
    });
  });

  it('that are not there are a 404 in JSON', async () => {
    const response = await fetch(`${shard.readUrl}/internal/v1/blobs/${sha256('absent')}`);
    expect([response.status, await response.json()]).toEqual([404, { error: 'blob not found' }]);
  });

  it.each([
    '..%2F..%2Fetc%2Fpasswd',
    '%2e%2e%2fshard.duckdb',
    '%E2%82%ACuro',
    'A'.repeat(64),
    'a'.repeat(63),
    'a'.repeat(65),
    `${'a'.repeat(63)}%00`,
    "'%20OR%201=1",
  ])('D22: a name that is no hash is refused before anything is looked up: %s', async name => {
    for (const method of ['GET', 'PUT']) {
      const response = await fetch(`${shard.readUrl}/internal/v1/blobs/${name}`, {
        method,
        ...(method === 'PUT' && { body: 'x' }),
      });
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual({
        error: expect.stringContaining('64 lower-case hex digits') as string,
      });
    }
  });

  it('are the prompts and completions of spans, word for word', async () => {
    const prompt = 'Why?\u0000 "Größe" 😀';
    const attributes = [
      attribute('gen_ai.system', 'x'),
      attribute('gen_ai.prompt', prompt),
      attribute('gen_ai.completion', 'Because.'),
    ];
    await shard.send('traces', tracesOf('shop', [{ trace: 1, span: 1, attributes }]));
    const [row] = (await shard.read('spans', { limit: 1 })).rows;
    expect(row?.llm).toMatchObject({ prompt_sha256: sha256(prompt), completion_sha256: sha256('Because.') });
    expect(row?.attributes).toEqual({ 'gen_ai.system': 'x' });
    expect(await getBlob(shard.readUrl, sha256(prompt))).toBe(prompt);
    expect(await getBlob(shard.readUrl, sha256('Because.'))).toBe('Because.');
  });

  it('are the log bodies over 8192 bytes of UTF-8, and no shorter ones', async () => {
    const atTheLimit = `${'€'.repeat(2730)}xx`;
    const overIt = `${atTheLimit}x`;
    const bodies = [atTheLimit, overIt].map(stringValue => ({ body: { stringValue } }));
    await shard.send('logs', logsOf('shop', bodies));
    const { rows } = await shard.read('logs', { limit: 10 });
    expect(rows.find(row => row.body !== '')).toMatchObject({ body: atTheLimit });
    expect(rows.find(row => row.body === '')).toMatchObject({ body: '', body_sha256: sha256(overIt) });
    expect(rows.find(row => row.body !== '')).not.toHaveProperty('body_sha256');
    expect(await getBlob(shard.readUrl, sha256(atTheLimit))).toBeUndefined();
    expect(await getBlob(shard.readUrl, sha256(overIt))).toBe(overIt);
  });

  it('are not given out with other bytes than their hash says', async () => {
    const store = await openTestStore();
    const server = await createReadServer({
      host: '127.0.0.1',
      port: 0,
      routes: [createBlobRoute(store.database)],
      notReadyReason: () => undefined,
      notReadableReason: () => undefined,
      metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
      logger: pino({ level: 'silent' }),
    });
    try {
      const name = sha256('what was stored');
      const damaged = { sha256: name, content: Buffer.from('what the disk made of it'), pinnedUntilMs: null };
      await store.store({ blobs: [damaged] });
      const response = await fetch(`http://127.0.0.1:${server.port}/internal/v1/blobs/${name}`);
      expect([response.status, await response.json()]).toEqual([500, { error: 'internal error' }]);
      // The same first half of a hash is not the same hash.
      const other = `${name.slice(0, 32)}${sha256('other').slice(32)}`;
      expect(await getBlob(`http://127.0.0.1:${server.port}`, other)).toBeUndefined();
    } finally {
      await server.stop();
      await store.remove();
    }
  });

  it('D6: an upload outlives what retention deletes, until its own time is over', async () => {
    await startWithRetention();
    await putBlob(shard.readUrl, 'rationale');
    await sendPrompt(1, 'old prompt');
    shard.advance(2 * HOUR_MS);
    await sendPrompt(2, 'prompt of today');
    await expect.poll(() => blobs('old prompt'), { timeout: 20_000 }).toEqual([]);
    expect(await blobs('rationale', 'prompt of today')).toEqual(['rationale', 'prompt of today']);

    shard.advance(EVAL_AGE_MS - 2 * HOUR_MS);
    await sendPrompt(3, 'prompt of tomorrow');
    await expect.poll(() => blobs('rationale'), { timeout: 20_000 }).toEqual([]);
  });

  it('D6: a blob that a row names is there, whatever retention deletes meanwhile', async () => {
    await startWithRetention();
    const endMs = performance.now() + 5000;
    let sent = 0;
    while (performance.now() < endMs) {
      await sendPrompt(sent, `prompt ${sent % 3}`);
      sent++;
      shard.advance(HOUR_MS / 4);
      for (const row of await spansWithPrompts()) {
        if ((await getBlob(shard.readUrl, row.prompt)) !== undefined) continue;
        // Retention may have deleted the row in between, and the blob with it, but not the blob alone.
        expect((await spansWithPrompts()).map(({ span }) => span)).not.toContain(row.span);
      }
    }
    expect((await spansWithPrompts()).length).toBeLessThan(sent);
  });
});

const HOUR_MS = 3_600_000;
const EVAL_AGE_MS = 24 * HOUR_MS;

async function startWithRetention(): Promise<void> {
  await shard.remove();
  const retention = { maxAgeMs: HOUR_MS, maxBytes: 2 ** 40, evalAgeMs: EVAL_AGE_MS };
  shard = await startTestShard({ retention });
}

async function sendPrompt(span: number, prompt: string): Promise<void> {
  const attributes = [attribute('gen_ai.system', 'x'), attribute('gen_ai.prompt', prompt)];
  const { status } = await shard.send('traces', tracesOf('shop', [{ trace: span + 1, span: 1, attributes }]));
  expect(status).toBe(200);
}

async function spansWithPrompts(): Promise<{ span: unknown; prompt: string }[]> {
  const { rows } = await shard.read('spans', { limit: 1000 });
  return rows.map(({ trace_id, llm }) => ({
    span: trace_id,
    prompt: (llm as { prompt_sha256: string }).prompt_sha256,
  }));
}

/** Those of the texts that the shard has. */
async function blobs(...texts: readonly string[]): Promise<unknown[]> {
  const found = await Promise.all(texts.map(text => getBlob(shard.readUrl, sha256(text))));
  return found.filter(text => text !== undefined);
}
