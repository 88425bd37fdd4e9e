import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { SIGNAL_FACTS } from '../../src/shared/otlp/signal.ts';
import type { Delivery, Route } from './delivery.ts';

const REPEAT_MS = 200;
/** With the pause between them a minute, in which a restart is over. */
const MOST_REPEATS = 300;

/** Sends to ingest as an exporter does: what is refused for now is sent again. */
export function createExport({ target, signal, concurrency }: Route): Delivery {
  const pool = new Pool(target, { connections: concurrency, pipelining: 1 });
  const { path } = SIGNAL_FACTS[signal];
  const headers = { 'content-type': 'application/x-protobuf' };
  return {
    async send(body) {
      for (let repeats = 0; ; repeats++) {
        const answer = await pool.request({ method: 'POST', path, headers, body });
        const bytes = Buffer.from(await answer.body.arrayBuffer());
        if (answer.statusCode === 200 && bytes.length <= 2) return repeats;
        const isForNow = answer.statusCode === 429 || answer.statusCode === 503;
        if (!isForNow || repeats === MOST_REPEATS) {
          throw new Error(`ingest answered ${answer.statusCode}: ${bytes.toString('latin1').slice(0, 300)}`);
        }
        await sleep(REPEAT_MS);
      }
    },
    close: () => pool.close(),
  };
}
