import http2 from 'node:http2';

export const TRACE_EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

export interface RawCall {
  readonly headers?: http2.OutgoingHttpHeaders;
  /** Sent one after the other; the call stays open after them with `isOpen`. */
  readonly chunks?: readonly Buffer[];
  readonly isOpen?: boolean;
}

export interface RawAnswer {
  readonly headers: http2.IncomingHttpHeaders;
  /** Of an answer of headers alone, those. */
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A message with the prefix that gRPC puts before it. */
export function grpcFrame(
  message: Buffer,
  { compressed = false, claimedBytes = message.length } = {},
): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed ? 1 : 0;
  prefix.writeUInt32BE(claimedBytes, 1);
  return Buffer.concat([prefix, message]);
}

/** A gRPC client that does as it is told, for what a real one never sends. */
export function connectRaw(port: number) {
  // By default Node drops the headers of an answer while 10 MB wait to be sent.
  const session = http2.connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1000 });
  return {
    session,
    call: ({ headers = {}, chunks = [], isOpen = false }: RawCall) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': TRACE_EXPORT,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      for (const chunk of chunks) stream.write(chunk);
      if (!isOpen) stream.end();
      const answer = new Promise<RawAnswer>((resolve, reject) => {
        let head: http2.IncomingHttpHeaders = {};
        let trailers: http2.IncomingHttpHeaders | undefined;
        const body: Buffer[] = [];
        stream.on('response', given => (head = given));
        stream.on('trailers', given => (trailers = given));
        stream.on('data', (chunk: Buffer) => body.push(chunk));
        stream.on('close', () =>
          resolve({ headers: head, trailers: trailers ?? head, body: Buffer.concat(body) }),
        );
        stream.on('error', reject);
      });
      return { stream, answer };
    },
    close: () => session.destroy(),
  };
}
