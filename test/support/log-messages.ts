import { Writable } from 'node:stream';
import { type Level, type Logger, pino } from 'pino';

/** A logger, and the messages that it was given so far. */
export interface LogMessages {
  readonly logger: Logger;
  readonly messages: string[];
}

export function logMessages(level: Level = 'info'): LogMessages {
  const messages: string[] = [];
  const lines = new Writable({
    write(chunk: Buffer, _encoding, done) {
      messages.push((JSON.parse(chunk.toString()) as { msg: string }).msg);
      done();
    },
  });
  return { logger: pino({ level }, lines), messages };
}
