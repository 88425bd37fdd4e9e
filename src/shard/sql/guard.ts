import { ALLOWED_TABLE_FUNCTIONS } from './functions.ts';

/** Everything a query may read from. */
export const VIEWS = ['spans', 'logs', 'metrics', 'trace_comments', 'sources'] as const;

const NO_NAMES: ReadonlySet<string> = new Set();
const QUERY_NODES: ReadonlySet<string> = new Set(['SELECT_NODE', 'SET_OPERATION_NODE', 'RECURSIVE_CTE_NODE']);
const TABLE_REFS: ReadonlySet<string> = new Set(['EMPTY', 'EXPRESSION_LIST', 'JOIN', 'PIVOT', 'SUBQUERY']);
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
const ORDERS: ReadonlySet<string> = new Set(['ORDER_DEFAULT', 'ASCENDING', 'DESCENDING']);
const HARMLESS_TYPES = [TABLE_REFS, MODIFIERS, ORDERS];
/** In nested types of casts. */
const TYPE_INFO = /_TYPE_INFO$/;

/** Brackets in brackets of a sane query are far fewer; a tree this deep is an attack on somebody's stack. */
const MAX_DEPTH = 1500;

/**
 * Walks a statement as `json_serialize_sql` gives it and tells the first thing in it that is not allowed, `undefined`
 * when everything is. Whatever the lists above do not name is refused: what DuckDB will be able to do one day, too.
 */
export function refusalOf(statement: unknown, functions: ReadonlySet<string>): string | undefined {
  const [refusal] = createWalk(functions)(statement, { names: NO_NAMES, depth: 0 });
  return refusal;
}

type Json = Readonly<Record<string, unknown>>;
type Refusals = Generator<string>;
interface Place {
  /** Common table expressions in scope. */
  readonly names: ReadonlySet<string>;
  readonly depth: number;
}

function createWalk(functions: ReadonlySet<string>): (part: unknown, place: Place) => Refusals {
  function* walk(part: unknown, { names, depth }: Place): Refusals {
    const inside = { names, depth: depth + 1 };
    if (depth > MAX_DEPTH) yield 'the query is nested too deeply';
    else if (Array.isArray(part)) for (const one of part) yield* walk(one, inside);
    else if (!isObject(part)) return;
    else if (typeof part.class === 'string') yield* walkExpression(part, inside);
    else if (typeof part.type === 'string') yield* walkTyped(part, inside);
    else yield* walkMembers(part, inside);
  }

  function* walkMembers(part: Json, place: Place, except: readonly string[] = []): Refusals {
    for (const [key, value] of Object.entries(part)) if (!except.includes(key)) yield* walk(value, place);
  }

  function* walkExpression(expression: Json, place: Place): Refusals {
    const kind = String(expression.class);
    if (!EXPRESSION_CLASSES.has(kind)) yield `${words(kind)} is not allowed`;
    // Its value is data.
    if (kind === 'CONSTANT') return;
    if (kind === 'FUNCTION' || kind === 'WINDOW') yield* functionRefusals(expression, functions);
    yield* walkMembers(expression, place);
  }

  function* walkTyped(part: Json, place: Place): Refusals {
    const type = String(part.type);
    if (QUERY_NODES.has(type)) yield* walkQuery(part, place);
    else if (type === 'TABLE_FUNCTION') yield* walkTableFunction(part, place);
    else {
      if (type === 'BASE_TABLE') yield* tableRefusals(part, place);
      else if (!HARMLESS_TYPES.some(types => types.has(type)) && !TYPE_INFO.test(type)) {
        yield `${words(type)} is not allowed`;
      }
      yield* walkMembers(part, place);
    }
  }

  /** A common table expression sees those before it, and itself only on the recursive side of a recursive one. */
  function* walkQuery(node: Json, { names: outer, depth }: Place): Refusals {
    const names = new Set(outer);
    for (const { key, value } of commonTables(node)) {
      yield* walk(value, { names: new Set(names), depth });
      names.add(lower(key));
    }
    const isRecursive = node.type === 'RECURSIVE_CTE_NODE';
    yield* walkMembers(node, { names, depth }, isRecursive ? ['cte_map', 'right'] : ['cte_map']);
    if (!isRecursive) return;
    yield* walk(node.right, { names: new Set([...names, lower(node.cte_name)]), depth });
  }

  function* walkTableFunction(part: Json, place: Place): Refusals {
    const call = isObject(part.function) ? part.function : {};
    yield* functionRefusals(call, ALLOWED_TABLE_FUNCTIONS);
    yield* walkMembers(call, place);
    yield* walkMembers(part, place, ['function']);
  }

  return walk;
}

function* functionRefusals(call: Json, allowed: ReadonlySet<string>): Refusals {
  const name = lower(call.function_name);
  const isPlain = (call.schema === '' || call.schema === 'main') && call.catalog === '';
  if (!isPlain || !allowed.has(name)) yield `function ${name} is not allowed`;
}

function* tableRefusals(table: Json, { names }: Place): Refusals {
  const name = lower(table.table_name);
  const schema = lower(table.schema_name);
  const isPlain = table.catalog_name === '' && (table.at_clause ?? null) === null;
  const isView = (schema === '' || schema === 'main') && VIEWS.some(view => view === name);
  const isCommonTable = schema === '' && names.has(name);
  if (isPlain && (isView || isCommonTable)) return;
  const full = [table.catalog_name, table.schema_name, table.table_name]
    .filter(part => part !== '')
    .join('.');
  yield `table ${full} is not one of ${VIEWS.join(', ')}`;
}

interface CommonTable {
  readonly key: string;
  readonly value: unknown;
}

function commonTables(node: Json): readonly CommonTable[] {
  return (node.cte_map as { readonly map: readonly CommonTable[] }).map;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}

/** In ASCII letters alone, as DuckDB compares names: a Kelvin sign is no k. */
function lower(name: unknown): string {
  return String(name).replaceAll(/[A-Z]+/g, letters => letters.toLowerCase());
}

function words(name: string): string {
  return name.toLowerCase().replaceAll('_', ' ');
}
