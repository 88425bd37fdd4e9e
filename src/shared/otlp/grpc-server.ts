import grpc from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { HttpListener } from '../http-listener.ts';
import { once } from '../lifecycle.ts';
import { type ByteBudget, overBudget } from './byte-budget.ts';
import { CONDITIONS } from './conditions.ts';
import { type ExportHandler, type Refusal, refuse } from './door.ts';
import { exportResponse, rpcStatus } from './responses.ts';
import { SIGNAL_FACTS, SIGNALS, type Signal } from './signal.ts';

interface OtlpGrpcOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly maxRequestBytes: number;
  readonly budget: ByteBudget;
  readonly handle: ExportHandler;
  readonly logger: Logger;
}

const STOP_GRACE_MS = 10_000;

/**
 * The OTLP/gRPC door: three unary `Export` methods over raw bytes, because nothing is decoded here. Messages over
 * the limit are refused by the library with RESOURCE_EXHAUSTED and no RetryInfo, which OTLP reads as final.
 */
export async function createOtlpGrpcServer(options: OtlpGrpcOptions): Promise<HttpListener> {
  const server = new grpc.Server({
    'grpc.max_receive_message_length': options.maxRequestBytes,
    'grpc.max_send_message_length': -1,
  });
  for (const signal of SIGNALS)
    server.addService(exportService(signal), { Export: exportMethod(options, signal) });
  const port = await new Promise<number>((resolve, reject) => {
    const address = `${options.host.includes(':') ? `[${options.host}]` : options.host}:${options.port}`;
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    stop: once(async () => {
      const grace = setTimeout(() => server.forceShutdown(), STOP_GRACE_MS);
      await new Promise<void>(resolve => server.tryShutdown(() => resolve()));
      clearTimeout(grace);
    }),
  };
}

function exportService(signal: Signal): grpc.ServiceDefinition {
  const raw = (bytes: Buffer) => bytes;
  return {
    Export: {
      path: `/${SIGNAL_FACTS[signal].grpcService}/Export`,
      requestStream: false,
      responseStream: false,
      requestSerialize: raw,
      requestDeserialize: raw,
      responseSerialize: raw,
      responseDeserialize: raw,
    },
  };
}

function exportMethod(options: OtlpGrpcOptions, signal: Signal): grpc.handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    const body = call.request;
    if (!options.budget.take(body.length)) {
      callback(statusOf(overBudget()));
      return;
    }
    const header = (name: string) => call.metadata.get(name)[0]?.toString();
    options
      .handle({ signal, body, header, warnings: [] })
      .then(
        outcome => {
          if (outcome.kind === 'refused') callback(statusOf(outcome));
          else callback(null, exportResponse(signal, outcome, 'protobuf'));
        },
        (error: unknown) => {
          options.logger.error({ err: error }, 'OTLP request failed');
          callback(statusOf(refuse('internal', 'internal error')));
        },
      )
      .finally(() => options.budget.give(body.length));
  };
}

function statusOf(refusal: Refusal): Partial<grpc.StatusObject> {
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', rpcStatus(refusal, 'protobuf'));
  return { code: CONDITIONS[refusal.condition].grpc, details: refusal.message, metadata };
}
