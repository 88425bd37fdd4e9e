import { LIVE_FILTERS, type LiveFilter, type LiveKind } from '../../shared/read/live.ts';
import type { LiveFeed } from '../live/live-feed.ts';
import { sendError } from './bodies.ts';
import type { Route } from './route.ts';

/** `GET live/spans` and `GET live/logs`: the live contract. */
export function createLiveRoute(feed: LiveFeed): Route {
  return {
    method: 'GET',
    path: /^live\/(spans|logs)$/,
    async handle({ request, response, name }) {
      const kind = name as LiveKind;
      const filter = parseFilter(kind, new URL(request.url ?? '', 'http://shard').searchParams);
      if (typeof filter === 'string') return sendError(response, { status: 400, message: filter });
      const ended = new Promise<void>(resolve => response.once('close', resolve));
      const outcome = feed.subscribe({ kind, filter, response });
      if (outcome !== 'subscribed') return sendError(response, { status: 503, message: outcome.refusal });
      await ended;
    },
  };
}

/** A message when a parameter is bad. */
function parseFilter<K extends LiveKind>(kind: K, parameters: URLSearchParams): LiveFilter<K> | string {
  const twice = [...parameters.keys()].find((name, index, names) => names.indexOf(name) !== index);
  if (twice !== undefined) return `${twice} is given twice`;
  const parsed = LIVE_FILTERS[kind].safeParse(Object.fromEntries(parameters));
  if (parsed.success) return parsed.data as LiveFilter<K>;
  const [issue] = parsed.error.issues;
  const member = issue?.path.join('.') ?? '';
  return member === '' ? `${issue?.message}` : `${member}: ${issue?.message}`;
}
