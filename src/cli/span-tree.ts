/** What a tree needs to know of a span. */
export interface TreeSpan {
  readonly span_id: string;
  readonly parent_span_id: string | null;
}

export interface TreeRow<S extends TreeSpan> {
  readonly span: S;
  /** 0 for a root. */
  readonly depth: number;
}

/**
 * Spans in the order of their tree, each under its parent, siblings as they came. A span whose parent is not among
 * them is a root; spans that form a circle are roots one by one, so that every span is shown exactly once.
 */
export function spanTree<S extends TreeSpan>(spans: readonly S[]): TreeRow<S>[] {
  const ids = new Set(spans.map(span => span.span_id));
  const isRoot = (span: S) => span.parent_span_id === null || !ids.has(span.parent_span_id);
  const childrenOf = Map.groupBy(
    spans.filter(span => !isRoot(span)),
    span => span.parent_span_id,
  );
  const rows: TreeRow<S>[] = [];
  const placed = new Set<S>();
  const place = (root: S) => {
    const open: TreeRow<S>[] = [{ span: root, depth: 0 }];
    for (let row = open.pop(); row !== undefined; row = open.pop()) {
      if (placed.has(row.span)) continue;
      placed.add(row.span);
      rows.push(row);
      const depth = row.depth + 1;
      open.push(...(childrenOf.get(row.span.span_id) ?? []).map(span => ({ span, depth })).reverse());
    }
  };
  for (const span of spans.filter(isRoot)) place(span);
  for (const span of spans) if (!placed.has(span)) place(span);
  return rows;
}
