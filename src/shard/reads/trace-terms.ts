import type { ParsedShardRead, TraceTerms } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { parseTextQuery, termCount } from '../../shared/text/text-query.ts';
import { traceIdText } from '../rows/ids.ts';
import { termsOfTraces } from '../search/traces-with-terms.ts';
import type { ReadContext } from './read.ts';

/** What the traces of some slots have of a text. */
export async function readTraceTerms(
  context: ReadContext,
  { slots, ...request }: ParsedShardRead<'traceTerms'>,
): Promise<Iterable<string>> {
  const text = parseTextQuery(request.text);
  if (text.words.length === 0) return [];
  const of = termCount(text);
  const lines: string[] = [];
  for await (const [traceId, has] of termsOfTraces(context, { text, slots })) {
    lines.push(rowLine([traceIdText(traceId)], JSON.stringify({ has, of } satisfies TraceTerms)));
  }
  return lines;
}
