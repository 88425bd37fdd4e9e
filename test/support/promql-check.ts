import { parser } from '@prometheus-io/lezer-promql';
import { KNOWN_SERIES } from './known-metrics.ts';

type Node = ReturnType<typeof parser.parse>['topNode'];

export interface CheckedExpression {
  /** What is wrong with it: what cannot be parsed, names, labels and label values that no part of the product has. */
  readonly faults: readonly string[];
  /** The labels that its result can have. */
  readonly labels: ReadonlySet<string>;
}

/** Aggregations that pick series instead of making new ones. */
const KEEPS_LABELS = new Set(['topk', 'bottomk']);

/** @param recorded names that recording rules make, with the labels of what they hold */
export function checkPromql(
  text: string,
  recorded: ReadonlyMap<string, ReadonlySet<string>> = new Map(),
): CheckedExpression {
  const { topNode } = parser.parse(text);
  const faults: string[] = [];
  const textOf = (node: Node) => text.slice(node.from, node.to);
  const cursor = topNode.cursor();
  do if (cursor.type.isError) faults.push(`cannot be parsed at character ${cursor.from + 1}: ${text}`);
  while (cursor.next());

  /** Checks what is below the node; resolves to the labels of its result. */
  function labelsOf(node: Node): Set<string> {
    if (node.name === 'VectorSelector') return selected(node);
    const inputs = childrenOf(node).map(labelsOf);
    const union = new Set(inputs.flatMap(labels => [...labels]));
    const grouping = ['AggregateModifier', 'MatchingModifierClause']
      .flatMap(modifier => node.getChildren(modifier))
      .flatMap(modifier => modifier.getChildren('GroupingLabels'))
      .flatMap(labels => labels.getChildren('LabelName'))
      .map(textOf);
    for (const label of grouping) {
      if (!union.has(label)) faults.push(`no label ${label} to group by in ${textOf(node)}`);
    }
    const operator = node.getChildren('AggregateOp').map(textOf).join();
    if (node.name !== 'AggregateExpr' || KEEPS_LABELS.has(operator)) return union;
    return new Set([...grouping, ...(operator === 'count_values' ? countedLabel(node) : [])]);
  }

  function countedLabel(node: Node): string[] {
    return node
      .getChildren('FunctionCallBody')
      .flatMap(body => body.getChildren('StringLiteral'))
      .map(literal => textOf(literal).slice(1, -1));
  }

  function selected(node: Node): Set<string> {
    const name = node.getChildren('Identifier').map(textOf).join();
    const ofRule = recorded.get(name);
    if (ofRule !== undefined) return new Set(ofRule);
    const known = KNOWN_SERIES.get(name);
    if (known === undefined) {
      faults.push(`no part of the product has a metric ${name}`);
      return new Set();
    }
    for (const matcher of node
      .getChildren('LabelMatchers')
      .flatMap(each => each.getChildren('UnquotedLabelMatcher'))) {
      const [label = '', value = ''] = ['LabelName', 'StringLiteral'].map(kind =>
        matcher.getChildren(kind).map(textOf).join(),
      );
      if (!known.labels.has(label)) faults.push(`${name} has no label ${label}`);
      if (label === 'job' || label === 'status') continue;
      for (const word of value.slice(1, -1).split('|')) {
        if (word !== '' && !known.quoted.has(word))
          faults.push(`the help of ${name} names no ${label} ${word}`);
      }
    }
    return new Set(known.labels);
  }

  return { labels: labelsOf(topNode), faults };
}

function childrenOf(node: Node): Node[] {
  const children: Node[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) children.push(child);
  return children;
}
