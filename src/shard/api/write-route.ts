import { MAX_WRITE_BYTES } from '../../shared/read/writes.ts';
import { parseWrite, type WriteApi } from '../writes/write-api.ts';
import { readJson, sendError, sendJson, sendNotStored } from './bodies.ts';
import type { Route } from './route.ts';

const CONFLICT = 'something else was written under the same id';

/** `POST writes/<kind>`: comments, eval scores and runner spans (see the write contract). */
export function createWriteRoute(writes: WriteApi): Route {
  return {
    method: 'POST',
    path: /^writes\/([^/]+)$/,
    async handle({ request, response, name }) {
      const body = await readJson(request, MAX_WRITE_BYTES);
      if (body.kind === 'refused') return sendError(response, body);
      const call = parseWrite(name, body.value);
      if (call.kind === 'unknown') {
        return sendError(response, { status: 404, message: `no write is called ${name}` });
      }
      if (call.kind === 'invalid') return sendError(response, { status: 400, message: call.reason });
      const answer = await writes.write(call);
      if (answer.kind === 'conflict') return sendError(response, { status: 409, message: CONFLICT });
      if (answer.kind !== 'stored') return sendNotStored(response, answer);
      sendJson(response, answer.rowJson);
    },
  };
}
