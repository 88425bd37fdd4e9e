import { parser } from '@prometheus-io/lezer-promql';
import { parsePromDurationNs } from './duration.ts';
import {
  AGGREGATORS,
  type Aggregation,
  type InstantQuery,
  RANGE_FUNCTIONS,
  type RangeFunction,
} from './instant-query.ts';
import { createMatcher, MATCH_OPERATORS, type Matcher, NAME_LABEL } from './matcher.ts';
import { unquote } from './string-literal.ts';

export type ParsedQuery =
  | { readonly kind: 'query'; readonly query: InstantQuery }
  | { readonly kind: 'bad'; readonly error: string };

/** Reads PromQL with the grammar that Prometheus publishes. The error begins with `parse error: `. */
export function parsePromql(text: string): ParsedQuery {
  try {
    return { kind: 'query', query: queryOf(expressionOf(text), text) };
  } catch (error) {
    if (error instanceof ParseError) return { kind: 'bad', error: error.message };
    throw error;
  }
}

type Node = ReturnType<typeof parser.parse>['topNode'];

/** Never leaves this file. */
class ParseError extends Error {
  constructor(reason: string) {
    super(`parse error: ${reason}`);
  }
}

const MAX_QUOTED_CHARS = 40;
const SUPPORTED = `supported are selectors, ${RANGE_FUNCTIONS.join(' and ')}, and ${AGGREGATORS.join(', ')} with by`;

function expressionOf(text: string): Node {
  const { topNode } = parser.parse(text);
  const cursor = topNode.cursor();
  do if (cursor.type.isError) throw unexpected(text, cursor.from);
  while (cursor.next());
  return only(topNode.getChildren('Expr'), topNode, text);
}

function unexpected(text: string, at: number): ParseError {
  const rest = text.slice(at).trim();
  if (rest === '') return new ParseError('unexpected end of the query');
  const hint = rest.startsWith('.') ? '; a name with dots is written {"a.b"} or {__name__="a.b"}' : '';
  const place = `${JSON.stringify(rest.slice(0, MAX_QUOTED_CHARS))} at character ${at + 1}`;
  return new ParseError(`unexpected ${place}${hint}`);
}

/** Goes from the outermost expression inwards; there is one way only, as there are no operators. */
function queryOf(outermost: Node, text: string): InstantQuery {
  const aggregations: Aggregation[] = [];
  for (let node = outermost; ; ) {
    switch (node.name) {
      case 'ParenExpr':
        node = only(node.getChildren('Expr'), node, text);
        break;
      case 'AggregateExpr':
        aggregations.unshift(aggregationOf(node, text));
        node = argumentOf(node, text);
        break;
      case 'FunctionCall': {
        const { over, selector } = rangeOf(node, text);
        return { matchers: matchersOf(selector, text), over, aggregations };
      }
      case 'VectorSelector':
        return { matchers: matchersOf(node, text), aggregations };
      case 'MatrixSelector':
        throw new ParseError(
          `a range needs ${RANGE_FUNCTIONS.join(' or ')} around it: ${quoted(node, text)}`,
        );
      default:
        throw unsupported(node, text);
    }
  }
}

function aggregationOf(node: Node, text: string): Aggregation {
  const operator = node.getChild('AggregateOp');
  const name = AGGREGATORS.find(known => known === textOf(operator, text).toLowerCase());
  if (name === undefined) throw unsupported(operator ?? node, text);
  const modifier = node.getChild('AggregateModifier');
  if (modifier?.getChild('Without')) throw unsupported(modifier, text);
  const labels = modifier?.getChild('GroupingLabels');
  const names = [
    ...(labels?.getChildren('LabelName') ?? []),
    ...(labels?.getChildren('QuotedLabelName') ?? []),
  ];
  return { name, by: [...new Set(names.map(label => nameOf(label, text)))] };
}

function rangeOf(node: Node, text: string): { readonly over: RangeFunction; readonly selector: Node } {
  const identifier = node.getChild('FunctionIdentifier');
  const name = RANGE_FUNCTIONS.find(known => known === textOf(identifier, text));
  if (name === undefined) throw unsupported(identifier ?? node, text);
  const range = argumentOf(node, text);
  const [selector] = range.getChildren('VectorSelector');
  const duration = range.getChild('DurationExpr');
  if (range.name !== 'MatrixSelector' || selector === undefined || duration === null) {
    throw new ParseError(`${name} needs a range such as x[5m], not ${quoted(range, text)}`);
  }
  const rangeNs = parsePromDurationNs(textOf(duration, text));
  if (rangeNs === undefined) {
    throw new ParseError(`bad range ${quoted(duration, text)}: expected a duration such as 5m or 1h30m`);
  }
  return { over: { name, rangeNs }, selector };
}

function argumentOf(node: Node, text: string): Node {
  const body = node.getChild('FunctionCallBody') ?? node;
  return only(body.getChildren('Expr'), node, text);
}

function only(nodes: readonly Node[], parent: Node, text: string): Node {
  const [node, second] = nodes;
  if (node === undefined || second !== undefined) {
    throw new ParseError(`expected one argument in ${quoted(parent, text)}`);
  }
  return node;
}

function matchersOf(selector: Node, text: string): Matcher[] {
  const name = selector.getChild('Identifier');
  const list = selector.getChild('LabelMatchers');
  const names = list?.getChildren('QuotedLabelName') ?? [];
  const matchers = [
    ...(name === null ? [] : [nameIs(textOf(name, text))]),
    ...names.map(quotedName => nameIs(nameOf(quotedName, text))),
    ...(list?.getChildren('UnquotedLabelMatcher') ?? []).map(node => matcherOf(node, text)),
    ...(list?.getChildren('QuotedLabelMatcher') ?? []).map(node => matcherOf(node, text)),
  ];
  if (matchers.every(matcher => matcher.accepts(''))) {
    throw new ParseError(
      `a selector needs a matcher that an empty value does not fit: ${quoted(selector, text)}`,
    );
  }
  return matchers;
}

function nameIs(name: string): Matcher {
  return matcher(NAME_LABEL, '=', name);
}

function matcherOf(node: Node, text: string): Matcher {
  const label = node.getChild('LabelName') ?? node.getChild('QuotedLabelName');
  const operator = MATCH_OPERATORS.find(known => known === textOf(node.getChild('MatchOp'), text));
  const value = node.getChild('StringLiteral');
  if (label === null || operator === undefined || value === null) throw unsupported(node, text);
  return matcher(nameOf(label, text), operator, stringOf(value, text));
}

function matcher(...args: Parameters<typeof createMatcher>): Matcher {
  const created = createMatcher(...args);
  if (typeof created === 'string') throw new ParseError(created);
  return created;
}

/** A label's name, which may be quoted. */
function nameOf(node: Node, text: string): string {
  return node.name === 'QuotedLabelName' ? stringOf(node, text) : textOf(node, text);
}

function stringOf(node: Node, text: string): string {
  const value = unquote(textOf(node, text));
  if (value === undefined) throw new ParseError(`bad escape in ${quoted(node, text)}`);
  return value;
}

function textOf(node: Node | null, text: string): string {
  return node === null ? '' : text.slice(node.from, node.to);
}

function quoted(node: Node, text: string): string {
  const whole = textOf(node, text);
  return whole.length > MAX_QUOTED_CHARS ? `${whole.slice(0, MAX_QUOTED_CHARS)}…` : whole;
}

function unsupported(node: Node, text: string): ParseError {
  return new ParseError(`${quoted(node, text)} is not supported; ${SUPPORTED}`);
}
