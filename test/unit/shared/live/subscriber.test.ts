import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { rowsEvent } from '../../../../src/shared/live/event.ts';
import { createSubscriber } from '../../../../src/shared/live/subscriber.ts';

const OPTIONS = { maxQueuedBytes: 100, maxQueuedEvents: 3, heartbeatMs: 15_000 };

/** A stream that takes one chunk at a time, each when it is told to. */
function slowStream() {
  const written: string[] = [];
  let takeNext: (() => void) | undefined;
  const stream = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk.toString());
      takeNext = done;
    },
  });
  return {
    stream,
    written,
    async take() {
      takeNext?.();
      await new Promise(resolve => process.nextTick(resolve));
    },
  };
}

describe('a subscriber', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
  afterEach(() => void vi.useRealTimers());

  it('gets events in order, as far as the stream takes them', async () => {
    const { stream, written, take } = slowStream();
    const subscriber = createSubscriber(stream, OPTIONS);
    for (const row of ['1', '2', '3']) subscriber.send(rowsEvent([row]));

    expect(written).toEqual(['data: [1]\n\n']);
    await take();
    await take();
    expect(written).toEqual(['data: [1]\n\n', 'data: [2]\n\n', 'data: [3]\n\n']);
  });

  it('loses the oldest of too many events, and is told how many rows they had where the gap is', async () => {
    const { stream, written, take } = slowStream();
    const subscriber = createSubscriber(stream, OPTIONS);
    subscriber.send(rowsEvent(['0']));
    subscriber.send(rowsEvent(['1', '1']));
    for (const row of ['2', '3', '4', '5']) subscriber.send(rowsEvent([row]));

    for (let turn = 0; turn < 5; turn++) await take();
    expect(written).toEqual([
      'data: [0]\n\n',
      ': dropped 3\n\n',
      'data: [3]\n\n',
      'data: [4]\n\n',
      'data: [5]\n\n',
    ]);
  });

  it('loses the oldest of too many bytes', async () => {
    const { stream, written, take } = slowStream();
    const subscriber = createSubscriber(stream, OPTIONS);
    const large = '9'.repeat(60);
    subscriber.send(rowsEvent(['0']));
    subscriber.send(rowsEvent([large]));
    subscriber.send(rowsEvent([`${large}1`]));

    for (let turn = 0; turn < 3; turn++) await take();
    expect(written).toEqual(['data: [0]\n\n', ': dropped 1\n\n', `data: [${large}1]\n\n`]);
  });

  it('is told of an event that is too large to wait at all', async () => {
    const { stream, written, take } = slowStream();
    const subscriber = createSubscriber(stream, OPTIONS);
    subscriber.send(rowsEvent(['0']));
    subscriber.send(rowsEvent(['9'.repeat(200)]));

    await take();
    subscriber.send(rowsEvent(['1']));
    await take();
    expect(written).toEqual(['data: [0]\n\n', ': dropped 1\n\n', 'data: [1]\n\n']);
  });

  it('gets a comment after fifteen seconds without an event', async () => {
    const { stream, written, take } = slowStream();
    const subscriber = createSubscriber(stream, OPTIONS);
    vi.advanceTimersByTime(14_000);
    subscriber.send(rowsEvent(['1']));
    await take();
    vi.advanceTimersByTime(14_999);
    expect(written).toEqual(['data: [1]\n\n']);

    vi.advanceTimersByTime(1);
    await take();
    vi.advanceTimersByTime(15_000);
    expect(written).toEqual(['data: [1]\n\n', ':\n\n', ':\n\n']);
  });

  it('gets no comments while it does not read', () => {
    const { stream, written } = slowStream();
    const subscriber = createSubscriber(stream, OPTIONS);
    subscriber.send(rowsEvent(['1']));
    vi.advanceTimersByTime(1_000_000);
    expect(stream.writableLength).toBe(Buffer.byteLength('data: [1]\n\n'));
    expect(written).toHaveLength(1);
  });

  it('has no timer left when the stream is closed', async () => {
    const { stream } = slowStream();
    createSubscriber(stream, OPTIONS);
    stream.destroy();
    await new Promise(resolve => stream.once('close', resolve));
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('an event', () => {
  it('is one line of ASCII whatever the rows hold', () => {
    const row = JSON.stringify({ body: 'Ünï 😀 \u2028\n\u007f', 中: '\ud800' });
    const text = rowsEvent([row, '{}']).bytes.toString('latin1');

    expect(text).toMatch(/^data: [\x20-\x7f]*\n\n$/);
    expect(JSON.parse(text.slice('data: '.length))).toEqual([JSON.parse(row), {}]);
  });
});
