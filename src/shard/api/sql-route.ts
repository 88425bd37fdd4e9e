import { SQL_REQUEST } from '../../shared/read/sql.ts';
import type { Sql } from '../sql/sql.ts';
import { readJson, sendError, sendJson } from './bodies.ts';
import { callerGone, type Route } from './route.ts';

/** Longest query of the contract in JSON, where a character may take six bytes. */
const MAX_BODY_BYTES = 1024 * 1024;

/** `POST sql`: see `src/shared/read/sql.ts`. */
export function createSqlRoute(sql: Sql): Route {
  return {
    method: 'POST',
    path: /^sql$/,
    async handle({ request, response }) {
      const body = await readJson(request, MAX_BODY_BYTES);
      if (body.kind === 'refused') return sendError(response, body);
      const parsed = SQL_REQUEST.safeParse(body.value);
      if (!parsed.success) {
        const [issue] = parsed.error.issues;
        const message = `${issue?.path.join('.') || 'request'}: ${issue?.message}`;
        return sendError(response, { status: 400, message });
      }
      const outcome = await sql.run(parsed.data.query, callerGone(response));
      switch (outcome.kind) {
        case 'answer':
          return sendJson(response, outcome.json);
        case 'refused':
          return sendError(response, { status: 400, message: outcome.reason });
        case 'busy':
          return sendError(response, { status: 503, message: outcome.reason });
        case 'abandoned':
          return void response.destroy();
        default:
          return outcome satisfies never;
      }
    },
  };
}
