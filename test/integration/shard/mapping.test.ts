import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogRow, SpanRow } from '../../../src/shared/read/model.ts';
import type { Json } from '../../support/otlp-arbitraries.ts';
import { attribute, logsOf, spanId, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { sha256 } from '../../support/shard-writes.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

/* The mapping of OTLP to rows, table by table of the read API contract's §2, from the door to the read. */

const double = (doubleValue: number | string) => ({ doubleValue });

/** §2.2: an AnyValue as text; `undefined` for what has none. */
const VALUE_TEXTS: readonly (readonly [string, Json, string | undefined])[] = [
  ['a string', { stringValue: 'as "it" is ✓' }, 'as "it" is ✓'],
  ['the empty string', { stringValue: '' }, ''],
  ['true', { boolValue: true }, 'true'],
  ['false', { boolValue: false }, 'false'],
  ['an int', { intValue: '-42' }, '-42'],
  ['the smallest int', { intValue: '-9223372036854775808' }, '-9223372036854775808'],
  ['the largest int', { intValue: '9223372036854775807' }, '9223372036854775807'],
  ['1.0', double(1), '1'],
  ['0.1', double(0.1), '0.1'],
  ['1e20', double(1e20), '100000000000000000000'],
  ['1e21', double(1e21), '1000000000000000000000'],
  ['1.7976931348623157e308', double(Number.MAX_VALUE), `17976931348623157${'0'.repeat(292)}`],
  ['1e-6', double(1e-6), '0.000001'],
  ['1e-7', double(1e-7), '0.0000001'],
  ['5e-324', double(5e-324), `0.${'0'.repeat(323)}5`],
  ['0.0', double(0), '0'],
  ['-0.0', double('-0'), '-0'],
  ['NaN', double('NaN'), 'NaN'],
  ['infinity', double('Infinity'), 'inf'],
  ['minus infinity', double('-Infinity'), '-inf'],
  ['an array', { arrayValue: { values: [{ stringValue: 'x' }] } }, undefined],
  ['a map', { kvlistValue: { values: [] } }, undefined],
  ['bytes', { bytesValue: 'AQ==' }, undefined],
  ['no value', {}, undefined],
];

/** §2.3, LLM promotion: attributes, and the `llm` member beside the defaults of `{provider: "p", …}`. */
const LLM: readonly (readonly [string, Readonly<Record<string, string | number>>, Json])[] = [
  ['provider alone', {}, {}],
  ['model asked for', { 'gen_ai.request.model': 'asked' }, { model: 'asked' }],
  ['model that answered', { 'gen_ai.response.model': 'gave' }, { model: 'gave' }],
  [
    'model asked for before the one that answered',
    { 'gen_ai.response.model': 'gave', 'gen_ai.request.model': 'asked' },
    { model: 'asked' },
  ],
  ...(
    [
      ['chat', 'chat'],
      ['CHAT', 'chat'],
      ['text_completion', 'completion'],
      ['completion', 'completion'],
      ['embeddings', 'embedding'],
      ['embedding', 'embedding'],
      ['execute_tool', 'tool'],
      ['tool', 'tool'],
      ['invoke_agent', 'other'],
      ['', 'other'],
    ] as const
  ).map(
    ([name, operation]) => [`operation "${name}"`, { 'gen_ai.operation.name': name }, { operation }] as const,
  ),
  ['input tokens', { 'gen_ai.usage.input_tokens': 12 }, { input_tokens: 12 }],
  ['prompt tokens', { 'gen_ai.usage.prompt_tokens': '12' }, { input_tokens: 12 }],
  ['output tokens', { 'gen_ai.usage.output_tokens': 7 }, { output_tokens: 7 }],
  ['completion tokens', { 'gen_ai.usage.completion_tokens': 7 }, { output_tokens: 7 }],
  [
    'tokens added up',
    {
      'gen_ai.usage.input_tokens': 12,
      'gen_ai.usage.output_tokens': 7,
      'gen_ai.usage.total_tokens': 1000,
    },
    { input_tokens: 12, output_tokens: 7, total_tokens: 19 },
  ],
  [
    'a total when one of the two is missing',
    { 'gen_ai.usage.input_tokens': 12, 'gen_ai.usage.total_tokens': 1000 },
    { input_tokens: 12, total_tokens: 1000 },
  ],
  [
    'the first key that is there, even if it is no number',
    { 'gen_ai.usage.input_tokens': 'many', 'gen_ai.usage.prompt_tokens': 5 },
    {},
  ],
  ['tokens that are negative', { 'gen_ai.usage.input_tokens': -1 }, {}],
  ['tokens that are over 32 bits', { 'gen_ai.usage.output_tokens': '4294967296' }, {}],
  ['cost', { 'gen_ai.usage.cost': '0.0125' }, { cost_usd: 0.0125 }],
  ['cost in dollars', { 'gen_ai.usage.cost_usd': 0.5 }, { cost_usd: 0.5 }],
  ['temperature', { 'gen_ai.request.temperature': 0.7 }, { temperature: 0.7 }],
  ['finish reasons', { 'gen_ai.response.finish_reasons': 'stop' }, { finish_reason: 'stop' }],
  ['finish reason', { 'gen_ai.response.finish_reason': 'length' }, { finish_reason: 'length' }],
  ['time to first token', { 'gen_ai.response.time_to_first_token_ms': 31.5 }, { ttft_ms: 31.5 }],
  [
    'prompt and completion',
    { 'gen_ai.prompt': 'question', 'gen_ai.completion': 'answer' },
    { prompt_sha256: sha256('question'), completion_sha256: sha256('answer') },
  ],
  ['an empty prompt', { 'gen_ai.prompt': '' }, {}],
];

/** §2.4: severity by number. */
const SEVERITIES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
const SEVERITY_NUMBERS = Array.from({ length: 28 }, (_, index) => index - 1);
const severityOf = (number: number) => SEVERITIES[Math.floor((number - 1) / 4)] ?? 'unspecified';

let shard: TestShard;
let spans: ReadonlyMap<string, SpanRow>;
let logs: readonly LogRow[];

beforeAll(async () => {
  shard = await startTestShard();
  await shard.send(
    'traces',
    tracesOf('shop', [
      ...VALUE_TEXTS.map(([, value], index) => ({
        trace: 'values',
        span: `v${index}`,
        attributes: [attribute('before', 'b'), { key: 'value', value }, attribute('after', 'a')],
      })),
      ...LLM.map(([, texts], index) => ({
        trace: 'llm',
        span: `l${index}`,
        attributes: [
          attribute('gen_ai.system', 'p'),
          ...Object.entries(texts).map(([key, value]) => attribute(key, value)),
        ],
      })),
      { trace: 'none', span: 'n', attributes: [attribute('gen_ai.provider.name', 'p')] },
    ]),
  );
  await shard.send(
    'logs',
    logsOf(
      'shop',
      SEVERITY_NUMBERS.map(severityNumber => ({ severityNumber, body: { intValue: severityNumber } })),
    ),
  );
  const { rows } = await shard.read('spans', { limit: 1000 });
  spans = new Map(rows.map(row => [row.span_id as string, row as unknown as SpanRow]));
  logs = (await shard.read('logs', { limit: 100 })).rows as unknown as LogRow[];
});
afterAll(() => shard.remove());

describe('an attribute of', () => {
  it.each(VALUE_TEXTS.map(([what, , text], index) => [what, text, index] as const))(
    '%s has the text %j',
    (_what, text, index) => {
      const row = spans.get(spanId(`v${index}`));
      expect(row?.attributes).toEqual({
        before: 'b',
        ...(text !== undefined && { value: text }),
        after: 'a',
      });
    },
  );

  it.each(
    VALUE_TEXTS.flatMap(([what, , text], index) =>
      text === undefined ? [] : [[what, text, index] as const],
    ),
  )('%s is found by that text and no other', async (_what, text, index) => {
    const found = await shard.read('spans', { attributes: [['value', text]], limit: 1000 });
    const same = VALUE_TEXTS.flatMap(([, , other], at) => (other === text ? [spanId(`v${at}`)] : []));
    expect(same).toContain(spanId(`v${index}`));
    expect(new Set(found.rows.map(row => row.span_id))).toEqual(new Set(same));
  });
});

describe('an LLM span with', () => {
  it.each(LLM.map(([what, , llm], index) => [what, llm, index] as const))('%s', (_what, llm, index) => {
    const row = spans.get(spanId(`l${index}`));
    expect(row?.kind).toBe('llm');
    expect(row?.llm).toEqual({ provider: 'p', model: '', operation: 'chat', ...llm });
  });

  it('a prompt keeps all other attributes', () => {
    const index = LLM.findIndex(([what]) => what === 'prompt and completion');
    expect(spans.get(spanId(`l${index}`))?.attributes).toEqual({ 'gen_ai.system': 'p' });
  });

  it('neither a system nor a model is none', () => {
    const [row] = [...spans.values()].filter(span => span.trace_id === traceId('none'));
    expect(row?.kind).toBe('internal');
    expect(row).not.toHaveProperty('llm');
  });
});

describe('a log record of severity number', () => {
  it.each(SEVERITY_NUMBERS)('%i has the word of its four', number => {
    const severity = severityOf(number);
    const row = logs.find(({ body }) => body === String(number));
    expect(row).toMatchObject({ severity, severity_text: severity.toUpperCase() });
  });
});
