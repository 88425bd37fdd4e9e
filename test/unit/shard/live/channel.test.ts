import { describe, expect, it } from 'vitest';
import { type Channel, createChannel, type Filter } from '../../../../src/shard/live/channel.ts';
import type { LiveEvent } from '../../../../src/shared/live/event.ts';

interface Row {
  readonly no: number;
  readonly sizeBytes?: number;
}

const EVERYTHING: Filter<Row> = { key: '', accepts: () => true };
const EVEN: Filter<Row> = { key: 'even', accepts: ({ no }) => no % 2 === 0 };

function setUp() {
  const rendered: number[] = [];
  const channel = createChannel<Row>({
    rowJson: ({ no }) => {
      rendered.push(no);
      return String(no);
    },
    sizeOf: ({ sizeBytes = 1 }) => sizeBytes,
  });
  return { channel, rendered };
}

function listenTo(channel: Channel<Row>, filter = EVERYTHING) {
  const events: number[][] = [];
  const received: LiveEvent[] = [];
  let missed = 0;
  const end = channel.subscribe(
    {
      send(event) {
        received.push(event);
        events.push(JSON.parse(event.bytes.toString().slice('data: '.length)) as number[]);
      },
      missed(rows) {
        missed += rows;
      },
    },
    filter,
  );
  return { events, received, end, missed: () => missed };
}

function rows(count: number, sizeBytes = 1): Row[] {
  return Array.from({ length: count }, (_, no) => ({ no, sizeBytes }));
}

describe('a channel of the feed', () => {
  it('sends what was stored together as one event, after publishing has returned', async () => {
    const { channel } = setUp();
    const { events } = listenTo(channel);
    channel.publish([{ no: 1 }, { no: 2 }]);
    channel.publish([{ no: 3 }]);
    expect(events).toEqual([]);
    await expect.poll(() => events).toEqual([[1, 2], [3]]);
  });

  it('sends nothing for a batch that has none of its records', async () => {
    const { channel } = setUp();
    const { events } = listenTo(channel);
    channel.publish([]);
    channel.publish([{ no: 1 }]);
    await expect.poll(() => events).toEqual([[1]]);
  });

  it('filters, and leaves out events without rows', async () => {
    const { channel } = setUp();
    const { events } = listenTo(channel, EVEN);
    channel.publish([{ no: 1 }, { no: 3 }]);
    channel.publish([{ no: 4 }, { no: 5 }, { no: 6 }]);
    await expect.poll(() => events).toEqual([[4, 6]]);
  });

  it('renders only what somebody wants, and once for all who want it', async () => {
    const { channel, rendered } = setUp();
    const one = listenTo(channel, EVEN);
    const other = listenTo(channel, EVEN);
    channel.publish(rows(4));
    await expect.poll(() => other.events).toEqual([[0, 2]]);
    expect(rendered).toEqual([0, 2]);
    expect(one.received[0]).toBe(other.received[0]);
  });

  it('does nothing while nobody listens', async () => {
    const { channel, rendered } = setUp();
    channel.publish(rows(3));
    const { events, end } = listenTo(channel);
    channel.publish([{ no: 7 }]);
    await expect.poll(() => events).toEqual([[7]]);
    end();
    channel.publish([{ no: 8 }]);
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(rendered).toEqual([7]);
  });

  it('cuts what is too large for one event', async () => {
    const { channel } = setUp();
    const { events } = listenTo(channel);
    channel.publish(rows(5, 100 * 1024));
    await expect.poll(() => events.flat()).toEqual([0, 1, 2, 3, 4]);
    expect(events.map(event => event.length)).toEqual([3, 2]);
  });

  it('leaves out the oldest when more is stored than can be told, and says how many rows each subscriber misses', async () => {
    const { channel, rendered } = setUp();
    const all = listenTo(channel);
    const even = listenTo(channel, EVEN);
    channel.publish(rows(100, 1024 * 1024));
    await expect.poll(() => all.events.flat()).toHaveLength(32);
    expect(all.events.flat().at(-1)).toBe(99);
    expect(all.missed()).toBe(68);
    expect(even.events.flat()).toHaveLength(16);
    expect(even.missed()).toBe(34);
    expect(rendered).toHaveLength(32);
  });
});
