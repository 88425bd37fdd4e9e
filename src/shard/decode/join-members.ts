/** A JSON object of its members' texts, without the empty ones; `null` for none. */
export function joinMembers(texts: readonly string[]): string | null {
  let joined = '';
  for (const text of texts) if (text !== '') joined += joined === '' ? text : `,${text}`;
  return joined === '' ? null : `{${joined}}`;
}
