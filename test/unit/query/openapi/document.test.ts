import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { type AppDeps, createApp } from '../../../../src/query/app.ts';
import { DOCUMENT } from '../../../../src/query/openapi/document.ts';
import { COMMENT_BODY } from '../../../../src/query/writes/comment.ts';
import { RUNNER_SPAN_BODY } from '../../../../src/query/writes/runner-span.ts';
import { SCORE_BODY } from '../../../../src/query/writes/score.ts';
import { misfits, OPERATIONS, operation, resolved } from '../../../support/openapi.ts';

/** Express fills in one method for `get` and `post`, and every method for `all`. */
interface Layer {
  readonly route?: { readonly path: string | RegExp; readonly methods: Readonly<Record<string, boolean>> };
}

const routes = (createApp({} as AppDeps).router.stack as unknown as readonly Layer[]).flatMap(
  ({ route }) => route ?? [],
);
const answering = routes.filter(({ methods }) => methods.patch !== true);

describe('the OpenAPI document', () => {
  it('has every route of the app, and no other', () => {
    const registered = answering.flatMap(({ path, methods }) =>
      Object.keys(methods).map(method => `${method} ${documentPath(path)}`),
    );
    const documented = OPERATIONS.map(({ method, path }) => `${method} ${path}`);
    expect(documented.toSorted()).toEqual(registered.toSorted());
  });

  it('leaves out only routes that refuse: other methods of its paths, and doors that stay closed', () => {
    const refusing = routes.filter(route => !answering.includes(route)).map(({ path }) => path);
    const others = refusing.filter(path => !answering.some(each => each.path === path));
    expect(others.map(String)).toEqual(['/api/v1/write', String(/^\/v0\.[345]\/traces$/)]);
  });

  it('names every operation once, under a tag that it explains', () => {
    const ids = OPERATIONS.map(each => each.operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const tags = OPERATIONS.flatMap(each => each.operation.tags);
    expect([...new Set(tags)].toSorted()).toEqual(DOCUMENT.tags.map(({ name }) => name).toSorted());
  });

  it('refers to nothing that it does not have, and has nothing that it does not refer to', () => {
    const references = [...JSON.stringify(DOCUMENT).matchAll(/"\$ref":"([^"]+)"/g)].map(
      ([, ref = '']) => ref,
    );
    for (const $ref of references) expect(resolved({ $ref })).toBeTypeOf('object');
    const components = Object.entries(DOCUMENT.components).flatMap(([kind, all]) =>
      Object.keys(all).map(name => `#/components/${kind}/${name}`),
    );
    expect([...new Set(references)].toSorted()).toEqual(components.toSorted());
  });

  it.each(OPERATIONS)('$method $path: parameters are each there once, those of the path among them', each => {
    const names = each.parameters.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const inPath = each.parameters
      .filter(parameter => parameter.in === 'path')
      .map(({ name }) => `{${name}}`);
    expect(inPath).toEqual(each.path.match(/\{\w+\}/g) ?? []);
  });

  it.each(OPERATIONS)('$method $path: every example fits its schema', ({ operation, parameters }) => {
    for (const { name, schema, example } of parameters) {
      // One that would be taken cannot be written down.
      if (name !== 'cursor') expect(misfits(schema, example), name).toEqual([]);
    }
    for (const { schema, example } of Object.values(operation.requestBody?.content ?? {})) {
      if (schema !== undefined) expect(misfits(schema, example)).toEqual([]);
    }
  });

  it.each<[string, z.ZodObject]>([
    ['addComment', COMMENT_BODY],
    ['addScore', SCORE_BODY],
    ['putRunnerSpan', RUNNER_SPAN_BODY],
  ])('%s: the body has the members that the write takes, needs those it needs, and shows all', (id, body) => {
    const content = operation(id).operation.requestBody?.content['application/json'];
    const { schema = {}, example } = content ?? {};
    const taken = Object.keys(body.shape).toSorted();
    expect(Object.keys(schema.properties as object).toSorted()).toEqual(taken);
    expect(Object.keys(example as object).toSorted()).toEqual(taken);
    const needed = taken.filter(name => !body.shape[name]?.safeParse(undefined).success);
    expect((schema.required as string[]).toSorted()).toEqual(needed);
  });
});

/** `/traces/:traceId` as `/traces/{trace_id}`. */
function documentPath(path: string | RegExp): string {
  return String(path).replace(/:(\w+)/g, (_match, name: string) => {
    return `{${name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}}`;
  });
}
