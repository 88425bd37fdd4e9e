import { type IncomingMessage, request } from 'node:http';
import type { Json } from './otlp-arbitraries.ts';

/** A subscriber of a live feed that keeps all that it gets. */
export interface LiveClient {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Everything, as it came. */
  text(): string;
  /** The rows of each event. */
  events(): Json[][];
  comments(): string[];
  /** How the stream ended; `undefined` while it has not. */
  ending(): 'cleanly' | 'broken off' | undefined;
  /** Stops reading, so that the sender's buffers fill. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** Resolves when the feed has answered, from when on nothing is missed. */
export function listenLive(url: string): Promise<LiveClient> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent: false }, response => {
      let text = '';
      let ending: 'cleanly' | 'broken off' | undefined;
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => (text += chunk));
      response.once('end', () => (ending ??= 'cleanly'));
      response.once('error', () => (ending ??= 'broken off'));
      const blocks = () => text.split('\n\n').slice(0, -1);
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text: () => text,
        events: () =>
          blocks()
            .filter(block => block.startsWith('data: '))
            .map(block => JSON.parse(block.slice('data: '.length)) as Json[]),
        comments: () => blocks().filter(block => block.startsWith(':')),
        ending: () => ending,
        pause: () => void response.pause(),
        resume: () => void response.resume(),
        close: () => void call.destroy(),
      });
    });
    call.once('error', reject);
    call.end();
  });
}
