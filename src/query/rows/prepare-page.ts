import { type ReadSession, runToEnd } from '../shard-reads.ts';
import type { Page } from './page.ts';
import type { RowsOptions, RowsOutcome } from './run-rows.ts';

/** What rows are read by after the rounds before them. */
export type PreparedRows = Pick<RowsOptions, 'page' | 'earlier'>;

type Preparation =
  | { readonly kind: 'prepared'; readonly rows: PreparedRows }
  | Extract<RowsOutcome, { kind: 'gone' | 'refused' }>;

/** Completes the request of a page, at the commits that the rows are then read at. */
export async function preparePage(page: Page, session: ReadSession): Promise<Preparation> {
  const { plan } = page;
  const prepared = await runToEnd(session, async () => plan.prepare?.(plan.request, session));
  if (prepared?.kind === 'refused') return prepared;
  const earlier = session.slots();
  const gone = earlier.find(slot => slot.kind === 'gone');
  if (gone !== undefined) return { kind: 'gone', reason: gone.reason, slots: earlier };
  const request = prepared?.request ?? plan.request;
  return {
    kind: 'prepared',
    rows: { page: { ...page, plan: { ...plan, request }, preparedAt: session.commits() }, earlier },
  };
}
