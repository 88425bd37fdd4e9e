/* The parts of OpenAPI 3.1 that our document needs. */

/** JSON Schema, draft 2020-12. */
export type Schema = Readonly<Record<string, unknown>>;

export interface Reference {
  readonly $ref: string;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required?: boolean;
  readonly description: string;
  readonly schema: Schema;
  readonly example?: string | number | readonly string[];
}

export interface Header {
  readonly description: string;
  readonly schema: Schema;
}

interface MediaType {
  readonly schema?: Schema;
  readonly example?: unknown;
  /** What the `data` of each Server-Sent Event is, for which OpenAPI 3.1 has no member. */
  readonly 'x-event-data'?: Schema;
}

export type Content = Readonly<Record<string, MediaType>>;

export interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Header | Reference>>;
  readonly content: Content;
}

interface RequestBody {
  readonly required: true;
  readonly description?: string;
  readonly content: Content;
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly Tag[];
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly (Parameter | Reference)[];
  readonly requestBody?: RequestBody;
  /** By status. */
  readonly responses: Readonly<Record<string, Response | Reference>>;
}

export type Method = 'get' | 'post';

/** Operations by path and method. `GET` stands for `HEAD`, too. */
export type Paths = Readonly<Record<string, Readonly<Partial<Record<Method, Operation>>>>>;

/** What one file of this folder describes. Its schemas can be referred to by name. */
export interface Area {
  readonly paths: Paths;
  readonly schemas?: Readonly<Record<string, Schema>>;
}

export const TAGS = {
  traces: 'Spans.',
  logs: 'Log records.',
  metrics: 'Metric points, and PromQL over them.',
  analysis: 'Figures of spans, logs and metrics together.',
  comments: 'What people say of traces.',
  evals: 'Runs of evals, derived from spans, scores and comments.',
  blobs: 'Prompts, completions and large log bodies, by their hash.',
  sql: 'SQL on one shard.',
  process: 'The query proxy itself.',
} as const;

type Tag = keyof typeof TAGS;

export function parameter(name: string, rest: Omit<Parameter, 'name' | 'in'>): Parameter {
  return { name, in: 'query', ...rest };
}

export function headerParameter(name: string, rest: Omit<Parameter, 'name' | 'in'>): Parameter {
  return { name, in: 'header', ...rest };
}

export function pathParameter(name: string, rest: Omit<Parameter, 'name' | 'in' | 'required'>): Parameter {
  return { name, in: 'path', required: true, ...rest };
}

export function jsonBody(schema: Schema, example: unknown): RequestBody {
  const description = 'Other members are ignored; null or an empty text is a member that is not there.';
  return { required: true, description, content: { 'application/json': { schema, example } } };
}
