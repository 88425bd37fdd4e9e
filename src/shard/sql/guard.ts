import { ALLOWED_TABLE_FUNCTIONS } from './functions.ts';

/** Everything a query may read from. */
export const VIEWS = ['spans', 'logs', 'metrics', 'trace_comments', 'sources'] as const;

const NO_NAMES: ReadonlySet<string> = new Set();
const QUERY_NODES: ReadonlySet<string> = new Set(['SELECT_NODE', 'SET_OPERATION_NODE', 'RECURSIVE_CTE_NODE']);
const TABLE_REFS: ReadonlySet<string> = new Set([
  'BASE_TABLE',
  'EMPTY',
  'EXPRESSION_LIST',
  'JOIN',
  'PIVOT',
  'SUBQUERY',
  'TABLE_FUNCTION',
]);
const MODIFIERS: ReadonlySet<string> = new Set([
  'DISTINCT_MODIFIER',
  'LIMIT_MODIFIER',
  'LIMIT_PERCENT_MODIFIER',
  'ORDER_MODIFIER',
]);
const EXPRESSION_CLASSES: ReadonlySet<string> = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLLATE',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'CONSTANT',
  'FUNCTION',
  'LAMBDA',
  'LAMBDA_REF',
  'OPERATOR',
  'POSITIONAL_REFERENCE',
  'STAR',
  'SUBQUERY',
  'TYPE',
  'WINDOW',
]);
/** In nested types of casts. */
const TYPE_INFOS = /_TYPE_INFO$/;
const ORDERS = /^ORDER_(?:DEFAULT|ASCENDING|DESCENDING)$|^(?:ASCENDING|DESCENDING)$/;

/**
 * Walks a statement as `json_serialize_sql` gives it and tells what is not allowed in it, `undefined` when nothing
 * is. Whatever the lists above do not name is refused: a part of the tree that DuckDB will have one day, too.
 */
export function refusalOf(statement: unknown, functions: ReadonlySet<string>): string | undefined {
  try {
    createWalk(functions)(statement, NO_NAMES);
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
}

class Refusal extends Error {}

type Json = Readonly<Record<string, unknown>>;
/** Names of the common table expressions in scope. */
type Names = ReadonlySet<string>;
type Walk = (part: unknown, names: Names) => void;

function createWalk(functions: ReadonlySet<string>): Walk {
  function walk(part: unknown, names: Names): void {
    if (Array.isArray(part)) for (const one of part) walk(one, names);
    else if (isObject(part)) walkObject(part, names);
  }

  function walkObject(part: Json, names: Names): void {
    if (typeof part.class === 'string') return walkExpression(part, names);
    if (typeof part.type === 'string') return walkTyped(part, part.type, names);
    walkMembers(part, names);
  }

  function walkMembers(part: Json, names: Names, except: readonly string[] = []): void {
    for (const [key, value] of Object.entries(part)) if (!except.includes(key)) walk(value, names);
  }

  function walkExpression(expression: Json, names: Names): void {
    const kind = String(expression.class);
    if (!EXPRESSION_CLASSES.has(kind)) throw new Refusal(`${words(kind)} is not allowed here`);
    // Its value is data.
    if (kind === 'CONSTANT') return;
    if (kind === 'FUNCTION' || kind === 'WINDOW') checkFunction(expression, functions);
    walkMembers(expression, names);
  }

  function walkTyped(part: Json, type: string, names: Names): void {
    if (QUERY_NODES.has(type)) return walkQuery(part, names);
    if (type === 'TABLE_FUNCTION') return walkTableFunction(part, names);
    if (type === 'BASE_TABLE') checkTable(part, names);
    else if (!TABLE_REFS.has(type) && !MODIFIERS.has(type) && !TYPE_INFOS.test(type) && !ORDERS.test(type)) {
      throw new Refusal(`${words(type)} is not allowed here`);
    }
    walkMembers(part, names);
  }

  /** A common table expression sees those before it, and itself only on the recursive side of a recursive one. */
  function walkQuery(node: Json, outer: Names): void {
    const names = new Set(outer);
    for (const { key, value } of cteEntries(node)) {
      walk(value, new Set(names));
      names.add(key.toLowerCase());
    }
    if (node.type !== 'RECURSIVE_CTE_NODE') return walkMembers(node, names, ['cte_map']);
    walkMembers(node, names, ['cte_map', 'right']);
    walk(node.right, new Set([...names, String(node.cte_name).toLowerCase()]));
  }

  function walkTableFunction(part: Json, names: Names): void {
    const call = part.function;
    if (!isObject(call) || call.class !== 'FUNCTION') throw new Refusal('this table function is not allowed');
    checkFunction(call, ALLOWED_TABLE_FUNCTIONS, 'table function');
    walkMembers(part, names, ['function']);
    walkMembers(call, names);
  }

  return walk;
}

function checkFunction(call: Json, allowed: ReadonlySet<string>, what = 'function'): void {
  const name = String(call.function_name).toLowerCase();
  const isPlain = (call.schema === '' || call.schema === 'main') && call.catalog === '';
  if (!isPlain || !allowed.has(name)) throw new Refusal(`${what} ${name} is not allowed`);
}

function checkTable(table: Json, names: Names): void {
  const name = String(table.table_name).toLowerCase();
  const schema = String(table.schema_name).toLowerCase();
  const isPlain = table.catalog_name === '' && (table.at_clause ?? null) === null;
  const isView = (schema === '' || schema === 'main') && VIEWS.some(view => view === name);
  const isCommonTable = schema === '' && names.has(name);
  if (isPlain && (isView || isCommonTable)) return;
  const full = [table.catalog_name, table.schema_name, table.table_name]
    .filter(part => part !== '')
    .join('.');
  throw new Refusal(`table ${full} is not one of ${VIEWS.join(', ')}`);
}

function cteEntries(node: Json): readonly { readonly key: string; readonly value: unknown }[] {
  const map = isObject(node.cte_map) ? node.cte_map.map : undefined;
  if (map === undefined) return [];
  if (!Array.isArray(map)) throw new Refusal('this WITH is not allowed');
  return map.map((entry: unknown) => {
    if (!isObject(entry) || typeof entry.key !== 'string') throw new Refusal('this WITH is not allowed');
    return { key: entry.key, value: entry.value };
  });
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}

function words(name: string): string {
  return name.toLowerCase().replaceAll('_', ' ');
}
