import assert from 'node:assert/strict';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { Client } from 'undici';
import { createPartition } from '../../../src/ingest/partition/partition.ts';
import { type ExportOutcome, type ExportRequest, refuse } from '../../../src/shared/otlp/door.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { SIGNAL_FACTS, SIGNALS } from '../../../src/shared/otlp/signal.ts';
import { decodeExportResponse, decodeStatus } from '../../support/otlp-answers.ts';
import { openGrpcDoor, openHttpDoor } from '../../support/otlp-door.ts';
import { connectRaw } from '../../support/raw-grpc.ts';
import { snappyBlock, snappyFramed } from '../../support/snappy.ts';
import type { FuzzTarget } from '../target.ts';
import { jsonSeeds, protobufSeeds } from './otlp-seeds.ts';

/** The first two bytes of an input say how the rest is sent. */
const MEDIA_TYPES = ['application/x-protobuf', 'application/json', 'text/plain'];
const ENCODINGS = ['identity', 'gzip', 'deflate', 'zstd', 'snappy', 'x-snappy-framed', 'br'];
const COMPRESSED = [
  (body: Buffer) => body,
  gzipSync,
  deflateSync,
  zstdCompressSync,
  snappyBlock,
  snappyFramed,
];
const HTTP_STATUSES = [200, 400, 413, 415];
/** OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED */
const GRPC_STATUSES = ['0', '3', '8', '12'];
/** One connection takes all inputs. */
const FOREVER_MS = 1_000_000_000;
const ANSWER_MS = 10_000;

/** Both OTLP receivers over real sockets: every request is answered, in time and as OTLP says, and nothing is 5xx. */
export function otlpDoorTargets(): FuzzTarget[] {
  const partition = createPartition(createOtlpTypes());
  const outcomeOf = ({ signal, body }: ExportRequest): ExportOutcome => {
    const split = partition({ signal, request: body, shardOf: () => 0 });
    if (split.kind === 'malformed') return refuse('malformed', split.reason);
    if (split.kind !== 'partitioned') return refuse('tooLarge', split.kind);
    return { kind: 'accepted', rejected: split.rejected, message: split.rejectedBecause };
  };
  const outcome = (request: ExportRequest) => Promise.resolve(outcomeOf(request));
  return [httpTarget(outcome), grpcTarget(outcome)];
}

type Outcome = (request: ExportRequest) => Promise<ExportOutcome>;

function httpTarget(outcome: Outcome): FuzzTarget {
  return {
    name: 'otlp-http',
    seeds: SIGNALS.flatMap((signal, index) => [
      ...COMPRESSED.map((compress, encoding) =>
        Buffer.concat([Buffer.of(index, encoding), compress(protobufSeeds(signal, 1)[0] as Buffer)]),
      ),
      Buffer.concat([Buffer.of(index + SIGNALS.length, 0), jsonSeeds(signal, 1)[0] as Buffer]),
    ]),
    dictionary: [],
    async open() {
      const door = await openHttpDoor({ outcome });
      const client = new Client(`http://127.0.0.1:${door.port}`);
      return {
        async check(input) {
          const [how = 0, encoding = 0] = input;
          const signal = SIGNALS[how % SIGNALS.length] as (typeof SIGNALS)[number];
          const mediaType = MEDIA_TYPES[Math.floor(how / SIGNALS.length) % MEDIA_TYPES.length] as string;
          const response = await client.request({
            method: 'POST',
            path: SIGNAL_FACTS[signal].path,
            body: input.subarray(2),
            headers: {
              'content-type': mediaType,
              'content-encoding': ENCODINGS[encoding % ENCODINGS.length] as string,
            },
            signal: AbortSignal.timeout(ANSWER_MS),
          });
          const body = Buffer.from(await response.body.arrayBuffer());
          assert.ok(HTTP_STATUSES.includes(response.statusCode), `answered ${response.statusCode}: ${body}`);
          const { statusCode } = response;
          if (response.headers['content-type'] === 'application/json') JSON.parse(body.toString());
          else if (statusCode === 200) decodeExportResponse(body);
          else assert.notEqual(decodeStatus(body).message, '');
        },
        async close() {
          await client.destroy();
          await door.stop();
        },
      };
    },
  };
}

function grpcTarget(outcome: Outcome): FuzzTarget {
  return {
    name: 'otlp-grpc',
    // A whole message with its prefix, as it is on the wire.
    seeds: SIGNALS.flatMap((signal, index) =>
      COMPRESSED.map((compress, encoding) => {
        const message = compress(protobufSeeds(signal, 1)[0] as Buffer);
        const prefix = Buffer.of(index, encoding, encoding === 0 ? 0 : 1, 0, 0, 0, 0);
        prefix.writeUInt32BE(message.length, 3);
        return Buffer.concat([prefix, message]);
      }),
    ),
    dictionary: [],
    async open() {
      const door = await openGrpcDoor({ outcome, maxConnectionAgeMs: FOREVER_MS });
      const client = connectRaw(door.port);
      return {
        async check(input) {
          const [how = 0, encoding = 0] = input;
          const { grpcService } = SIGNAL_FACTS[SIGNALS[how % SIGNALS.length] as (typeof SIGNALS)[number]];
          const { answer } = client.call({
            headers: {
              ':path': `/${grpcService}/Export`,
              'grpc-encoding': ENCODINGS[encoding % ENCODINGS.length],
            },
            chunks: input.length > 2 ? [input.subarray(2)] : [],
          });
          const { trailers } = await withinTime(answer);
          const status = trailers['grpc-status'] as string;
          assert.ok(GRPC_STATUSES.includes(status), `answered ${status}: ${trailers['grpc-message']}`);
        },
        async close() {
          client.close();
          await door.stop();
        },
      };
    },
  };
}

async function withinTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  return await Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
