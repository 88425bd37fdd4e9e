import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { protobufRequest } from '../../bench/requests.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { type RunningCli, startCli } from '../support/cli.ts';
import { expectFolderConserved } from '../support/conservation.ts';
import { anonymousBytes } from '../support/process-usage.ts';
import { temporaryFolder } from '../support/systems.ts';

const MIB = 1024 ** 2;
const IN_FLIGHT_MIB = 32;
/** What an idle ingest process takes, and the garbage that Node lets lie before it collects. */
const BASE_MIB = 256;
/** A byte of a request may be held as received, in its slice, in its batch, and on its way to the disk. */
const COPIES = 4;

describe.skipIf(process.platform !== 'linux')('memory, with a shard down and senders at full speed', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let ingest: RunningCli;

  beforeEach(async () => {
    folder = await temporaryFolder();
    const shard = (id: string, port: number) => ({
      id,
      otlp: `http://127.0.0.1:${port}`,
      read: `http://127.0.0.1:${port}/read`,
    });
    ingest = await startCli(
      [
        ...['ingest', '--workers', '1', '--data-dir', folder.path],
        ...['--http-port', '0', '--grpc-port', '0', '--health-port', '0', '--metrics-port', '0'],
      ],
      {
        // Nothing listens on these ports.
        OTELFAN_TOPOLOGY: JSON.stringify({ version: 1, shards: [shard('s0', 1), shard('s1', 2)] }),
        OTELFAN_INGEST_MAX_BYTES_IN_FLIGHT: `${IN_FLIGHT_MIB}MiB`,
        OTELFAN_QUEUE_MAX_SHARD_BYTES: '256MiB',
      },
    );
  });

  afterEach(async () => {
    await ingest.stop();
    await expectFolderConserved(folder.path);
    await folder.remove();
  });

  it('stays within a few times ingest.maxBytesInFlight, and every request is answered', async () => {
    const body = new Uint8Array(
      protobufRequest(createOtlpTypes(), { signal: 'traces', records: 12_000, recordsPerKey: 10, seed: 1 }),
    );
    const senders = 64;
    expect(senders * body.length).toBeGreaterThan(6 * IN_FLIGHT_MIB * MIB);
    const statuses = new Map<number, number>();
    let mostBytes = 0;
    const until = Date.now() + 8000;
    const send = async () => {
      while (Date.now() < until) {
        const response = await fetch(`${ingest.addresses.http}/v1/traces`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-protobuf' },
          body,
        });
        await response.arrayBuffer();
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      }
    };
    const watch = setInterval(() => {
      mostBytes = Math.max(mostBytes, anonymousBytes(ingest.pid));
    }, 50);
    await Promise.all(Array.from({ length: senders }, send));
    clearInterval(watch);
    expect([...statuses.keys()].filter(status => status !== 200 && status !== 503)).toEqual([]);
    // Otherwise the bound was never put to the test.
    expect(statuses.get(200)).toBeGreaterThan(0);
    expect(statuses.get(503)).toBeGreaterThan(0);
    expect(mostBytes / MIB).toBeLessThan(BASE_MIB + COPIES * IN_FLIGHT_MIB);
  });
});
