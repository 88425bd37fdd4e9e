import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { HttpListener } from '../http-listener.ts';
import { once } from '../lifecycle.ts';
import { refuse } from './door.ts';
import { GrpcCall, type GrpcDoorOptions } from './grpc-call.ts';

interface OtlpGrpcOptions extends GrpcDoorOptions {
  /** Age at which a connection is asked to be made anew, so that load balancers can spread it. */
  readonly maxConnectionAgeMs: number;
  /** How long its calls may still take then. Default: longer than any call takes. */
  readonly ageGraceMs?: number;
  /** From 0 to 1; spreads the ends of connections that began together. */
  readonly random: () => number;
}

const STOP_GRACE_MS = 10_000;
/** A client that never takes its answers would keep the connection for good. */
const AGE_GRACE_MS = 180_000;
/** How much longer or shorter than asked for a connection may live. */
const AGE_SPREAD = 0.1;
/** What a sender may send of a message before it is asked for more. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;
/** More wait at the client, which then opens a connection or a balancer's other backend. */
const MAX_CALLS_PER_CONNECTION = 1000;

/**
 * The OTLP/gRPC door: the three unary `Export` methods on HTTP/2 without TLS. It speaks the little of gRPC that a
 * unary call is (see `grpc-wire`) by itself, because a gRPC library hands over whole messages: here a call is
 * admitted or refused by its headers, and a message's bytes are counted before they are kept.
 */
export async function createOtlpGrpcServer(options: OtlpGrpcOptions): Promise<HttpListener> {
  const { logger } = options;
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createServer({
    settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxConcurrentStreams: MAX_CALLS_PER_CONNECTION },
  });
  server.on('session', session => {
    sessions.add(session);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    const spread = 1 + AGE_SPREAD * (2 * options.random() - 1);
    // GOAWAY names the last call that is served; a client repeats one that crossed it by itself, as it was not begun.
    let age = setTimeout(() => {
      session.close();
      age = setTimeout(() => session.destroy(), options.ageGraceMs ?? AGE_GRACE_MS).unref();
    }, options.maxConnectionAgeMs * spread).unref();
    session.once('close', () => {
      clearTimeout(age);
      sessions.delete(session);
    });
  });
  server.on('sessionError', error => logger.debug({ err: error }, 'gRPC connection failed'));
  server.on('stream', (stream, headers) => {
    stream.on('error', error => logger.debug({ err: error }, 'gRPC call broke off'));
    const call = new GrpcCall(options, stream, headers);
    call.serve().catch((error: unknown) => {
      logger.error({ err: error }, 'OTLP request failed');
      if (!stream.headersSent) call.refuse(refuse('internal', 'internal error'));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: once(async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      for (const session of sessions) session.close();
      const grace = setTimeout(() => {
        for (const session of sessions) session.destroy();
      }, STOP_GRACE_MS);
      await closed;
      clearTimeout(grace);
    }),
  };
}
