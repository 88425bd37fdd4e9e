import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { DOCUMENT } from '../../src/query/openapi/document.ts';
import type {
  Method,
  Operation,
  Parameter,
  Reference,
  Response,
  Schema,
} from '../../src/query/openapi/openapi.ts';

/** An operation of the document with its path; parameters and responses are where the references point to. */
export interface Documented {
  readonly method: Method;
  readonly path: string;
  readonly operation: Operation;
  readonly parameters: readonly Parameter[];
  readonly responses: Readonly<Record<string, Response>>;
}

export const OPERATIONS: readonly Documented[] = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    method: method as Method,
    path,
    operation,
    parameters: (operation.parameters ?? []).map(each => resolved<Parameter>(each)),
    responses: Object.fromEntries(
      Object.entries(operation.responses).map(([status, each]) => [status, resolved<Response>(each)]),
    ),
  })),
);

export function operation(id: string): Documented {
  const found = OPERATIONS.find(each => each.operation.operationId === id);
  if (found === undefined) throw new Error(`the document has no operation ${id}`);
  return found;
}

export function resolved<T extends object>(value: T | Reference): T {
  if (!('$ref' in value)) return value;
  const [hash, ...names] = value.$ref.split('/');
  const target = names.reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], DOCUMENT);
  if (hash !== '#' || target === undefined) throw new Error(`${value.$ref} is not in the document`);
  return target as T;
}

/** The path of a request with the examples of the document, and what parameters it is given beside the needed ones. */
export function examplePath({ path, parameters }: Documented, extra: readonly string[] = []): string {
  const search = new URLSearchParams();
  let filled = path;
  for (const parameter of parameters) {
    if (parameter.in === 'path') {
      filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(String(parameter.example)));
    } else if (parameter.required === true || extra.includes(parameter.name)) {
      for (const value of [parameter.example ?? ''].flat()) search.append(parameter.name, String(value));
    }
  }
  return search.size === 0 ? filled : `${filled}?${search.toString()}`;
}

/** The body of a request and its type, as the document shows them. */
export function exampleBody({ operation }: Documented): { type: string; body: string } {
  const [[type, { example }] = ['', { example: '' }]] = Object.entries(operation.requestBody?.content ?? {});
  return { type, body: typeof example === 'string' ? example : JSON.stringify(example) };
}

/** What the client sees of an answer. */
interface Seen {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

const OUR_HEADERS = ['Otelfan-Partial', 'Otelfan-Missing-Shards', 'Retry-After'];

/** What the document does not say of an answer, or says otherwise. */
export function undocumented({ responses }: Documented, { status, headers, body }: Seen): string[] {
  const response = responses[status];
  if (response === undefined) return [`status ${status} ${JSON.stringify(body)}`];
  const type = headers.get('content-type')?.split(';')[0] ?? '';
  const content = response.content[type];
  if (content === undefined) return [`content-type ${type} of ${status}`];
  const strange = OUR_HEADERS.filter(name => headers.has(name) && response.headers?.[name] === undefined);
  const faults = type === 'application/json' ? misfits(content.schema ?? {}, body) : [];
  return [...strange.map(name => `header ${name} of ${status}`), ...faults];
}

/**
 * Where a value does not fit a schema of the document. Clients are told that members may be added, so the schemas are
 * open; here they are closed, so that a member which they do not have is found.
 */
export function misfits(schema: Schema, value: unknown): string[] {
  const validate = compiled(schema);
  validate(value);
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$/);
for (const [name, schema] of Object.entries(DOCUMENT.components.schemas)) ajv.addSchema(closed(schema), name);
const validators = new Map<string, ValidateFunction>();

function compiled(schema: Schema): ValidateFunction {
  const text = JSON.stringify(schema);
  const known = validators.get(text) ?? ajv.compile(closed(schema));
  validators.set(text, known);
  return known;
}

/** Schemas that are referred to are known by their names alone. */
function closed(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) => {
    if (key === '$ref') return String(value).replace('#/components/schemas/', '');
    const isObject = typeof value === 'object' && value !== null && 'properties' in value && 'type' in value;
    return isObject ? { additionalProperties: false, ...value } : value;
  }) as Schema;
}
