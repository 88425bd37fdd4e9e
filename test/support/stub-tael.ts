import grpc from '@grpc/grpc-js';
import type { ExportOutcome } from '../../src/shared/otlp/door.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { exportResponse } from '../../src/shared/otlp/responses.ts';
import { SIGNAL_FACTS, SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';

const types = createOtlpTypes();
const MAX_MESSAGE_BYTES = 4 * 1024 ** 2;

export interface TaelExport {
  readonly signal: Signal;
  readonly sizeBytes: number;
  /** The decoded request, integers as text. */
  readonly request: Record<string, unknown>;
}

export interface StubTael {
  /** For the topology. */
  readonly url: string;
  /** What it stored, in order. */
  readonly exports: readonly TaelExport[];
  /** Calls, refused ones included. */
  calls(): number;
  /** Answers every call with this instead, until it is given nothing. */
  fail(status?: Partial<grpc.StatusObject>): void;
  /** Says with every OK that it stores so many records less. */
  refuseRecords(rejected: number, message: string): void;
  stop(): Promise<void>;
}

/**
 * The OTLP door of a tael-server (read API contract §2.1) on a real grpc-js server: too large is OUT_OF_RANGE, a
 * failing store is INTERNAL, undecodable bytes are what tonic says of them, and success is an empty answer.
 */
export async function startStubTael(): Promise<StubTael> {
  const exports: TaelExport[] = [];
  let calls = 0;
  let accepted: Extract<ExportOutcome, { kind: 'accepted' }> = { kind: 'accepted', rejected: 0, message: '' };
  let failure: Partial<grpc.StatusObject> | undefined;

  function answer(signal: Signal, message: Buffer): Partial<grpc.StatusObject> | undefined {
    calls += 1;
    if (message.length > MAX_MESSAGE_BYTES) {
      const details = `Error, decoded message length too large: found ${message.length} bytes`;
      return { code: grpc.status.OUT_OF_RANGE, details };
    }
    if (failure !== undefined) return failure;
    const type = types.request(signal);
    try {
      const request = type.toObject(type.decode(message), { longs: String, bytes: String });
      exports.push({ signal, sizeBytes: message.length, request });
      return undefined;
    } catch {
      const details = 'failed to decode Protobuf message: invalid wire type';
      return { code: grpc.status.INTERNAL, details };
    }
  }

  const server = new grpc.Server({ 'grpc.max_receive_message_length': -1 });
  for (const signal of SIGNALS) {
    const raw = (bytes: Buffer) => bytes;
    const handle: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      const status = answer(signal, call.request);
      if (status === undefined) callback(null, exportResponse(signal, accepted, 'protobuf'));
      else callback(status);
    };
    server.addService(
      {
        Export: {
          path: `/${SIGNAL_FACTS[signal].grpcService}/Export`,
          requestStream: false,
          responseStream: false,
          requestSerialize: raw,
          requestDeserialize: raw,
          responseSerialize: raw,
          responseDeserialize: raw,
        },
      },
      { Export: handle },
    );
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    url: `grpc://127.0.0.1:${port}`,
    exports,
    calls: () => calls,
    fail(status) {
      failure = status;
    },
    refuseRecords(rejected, message) {
      accepted = { kind: 'accepted', rejected, message };
    },
    stop() {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}
