import { setTimeout as sleep } from 'node:timers/promises';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createOpenConnections, type OpenConnections } from '../../../src/shard/store/open-connections.ts';

let instance: DuckDBInstance;
let connections: OpenConnections;

beforeEach(async () => {
  instance = await DuckDBInstance.create(':memory:');
  connections = createOpenConnections();
});

afterEach(() => instance.closeSync());

const connect = () => instance.connect();

/** Says when it has got its connection, which it closes. */
function read(): { readonly done: Promise<void>; isDone(): boolean } {
  let isDone = false;
  const done = connections.toRead(connect).then(connection => {
    isDone = true;
    connection.closeSync();
  });
  return { done, isDone: () => isDone };
}

describe('work between reads', () => {
  it('is run at once when nothing is read, and gives its result', async () => {
    const writer = await connections.atOnce(connect);
    expect(await connections.betweenReads(60_000, () => Promise.resolve('done'))).toBe('done');
    writer.closeSync();
  });

  it('begins when the open reads have ended, and further ones wait until it is done', async () => {
    const open = await connections.toRead(connect);
    const events: string[] = [];
    const work = connections.betweenReads(60_000, async () => {
      events.push('work begins');
      await sleep(50);
      events.push('work ends');
    });
    const later = connections.toRead(connect).then((connection: DuckDBConnection) => {
      events.push('read');
      connection.closeSync();
    });
    // The writer is not held.
    (await connections.atOnce(connect)).closeSync();
    await sleep(50);
    expect(events).toEqual([]);
    open.closeSync();
    await Promise.all([work, later]);
    expect(events).toEqual(['work begins', 'work ends', 'read']);
  });

  it('is given up when a read does not end in time, and the others go on beside that one', async () => {
    const open = await connections.toRead(connect);
    let isRun = false;
    const work = connections.betweenReads(100, () => {
      isRun = true;
      return Promise.resolve('done');
    });
    await read().done;
    expect([await work, isRun]).toEqual([undefined, false]);
    open.closeSync();
    expect(await connections.betweenReads(100, () => Promise.resolve('done'))).toBe('done');
  });

  it('waits for no read that has been open as long as reads may be held, and holds none for it', async () => {
    const open = await connections.toRead(connect);
    await sleep(60);
    const work = connections.betweenReads(50, () => Promise.resolve('done'));
    let isConnecting = false;
    const later = connections.toRead(() => {
      isConnecting = true;
      return connect();
    });
    expect(isConnecting).toBe(true);
    expect(await work).toBeUndefined();
    open.closeSync();
    (await later).closeSync();
    expect(connections.longestReadMs()).toBe(0);
  });

  it('holds reads no longer than it may, although it still runs', async () => {
    const working = Promise.withResolvers<void>();
    const work = connections.betweenReads(50, () => working.promise);
    await read().done;
    working.resolve();
    await work;
  });

  it('lets reads go on when it fails', async () => {
    const failing = connections.betweenReads(60_000, () => Promise.reject(new Error('no room')));
    const later = read();
    await expect(failing).rejects.toThrow('no room');
    await later.done;
    expect(later.isDone()).toBe(true);
  });
});
