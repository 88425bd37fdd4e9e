import { type Attributes, SeverityNumber, SpanKind } from '@opentelemetry/api';
import { type LogPlan, SERVICE_NAMES, type SpanPlan, type TracePlan } from './plan.ts';
import type { Random } from './random.ts';

const PRODUCTS = ['espresso machine', 'grinder', 'kettle', 'filter papers', 'scale'] as const;
const REGIONS = ['eu-west-1', 'us-east-1', 'ap-south-1'] as const;
const QUESTIONS = [
  'Which grinder goes with an espresso machine for two people?',
  'Do you ship filter papers to Norway?',
  'My kettle does not heat. What can I try?',
] as const;
const MODELS = [
  { system: 'openai', model: 'gpt-4o-mini' },
  { system: 'anthropic', model: 'claude-sonnet-4' },
] as const;

/** One visit to a web shop. The same random numbers give the same visit; ids and times are not part of it. */
export function planTrace(random: Random): TracePlan {
  const visit = random.pick([browse, browse, order, order, ask]);
  return { root: visit(random), background: random.chance(0.4) ? [backgroundLog(random)] : [] };
}

function browse(random: Random): SpanPlan {
  const isCached = random.chance(0.6);
  const product = random.pick(PRODUCTS);
  const cache: SpanPlan = {
    service: 'inventory',
    name: 'GET product',
    kind: SpanKind.CLIENT,
    selfMs: random.int(1, 4),
    attributes: { 'db.system.name': 'redis', 'db.operation.name': 'GET' },
    events: [{ name: isCached ? 'cache.hit' : 'cache.miss', attributes: { product } }],
  };
  const list: SpanPlan = {
    service: 'inventory',
    name: 'inventory.list',
    kind: SpanKind.SERVER,
    selfMs: random.int(3, 15),
    attributes: { product },
    logs: isCached ? [] : [{ severity: SeverityNumber.DEBUG, body: `cache miss for ${product}` }],
    children: isCached ? [cache] : [cache, select(random, 'products')],
  };
  return gateway(random, 'GET /api/products', [list]);
}

function order(random: Random): SpanPlan {
  const orderId = `o-${random.int(10_000, 99_999)}`;
  const isSoldOut = random.chance(0.05);
  const isDeclined = !isSoldOut && random.chance(0.15);
  const reserve: SpanPlan = {
    service: 'inventory',
    name: 'inventory.reserve',
    kind: SpanKind.SERVER,
    selfMs: random.int(4, 20),
    attributes: { 'order.id': orderId, quantity: random.int(1, 4) },
    ...(isSoldOut && { error: { type: 'OutOfStock', message: `${random.pick(PRODUCTS)} is sold out` } }),
    children: [select(random, 'stock')],
  };
  const steps = isSoldOut ? [reserve] : [reserve, charge(random, { orderId, isDeclined })];
  const queue = isSoldOut || isDeclined ? [] : [publish(random, orderId), fulfil(random, orderId)];
  const error =
    isSoldOut || isDeclined ? { type: 'OrderFailed', message: `order ${orderId} failed` } : undefined;
  const outcome: LogPlan = error
    ? { severity: SeverityNumber.ERROR, body: error.message, attributes: { 'order.id': orderId } }
    : { severity: SeverityNumber.INFO, body: `order ${orderId} placed`, attributes: { 'order.id': orderId } };
  const place: SpanPlan = {
    service: 'checkout',
    name: 'checkout.place_order',
    kind: SpanKind.SERVER,
    selfMs: random.int(8, 40),
    attributes: { 'order.id': orderId, 'order.total': random.int(500, 90_000) / 100, currency: 'EUR' },
    ...(error && { error }),
    logs: [outcome],
    children: [...steps, ...queue],
  };
  return gateway(random, 'POST /api/checkout', [place], error);
}

function charge(
  random: Random,
  { orderId, isDeclined }: { readonly orderId: string; readonly isDeclined: boolean },
): SpanPlan {
  const isRetried = random.chance(0.2);
  const error = isDeclined ? { type: 'CardDeclined', message: 'the issuer declined the card' } : undefined;
  return {
    service: 'payments',
    name: 'payments.charge',
    kind: SpanKind.SERVER,
    selfMs: random.int(5, 25),
    attributes: { 'order.id': orderId, 'payment.method': random.pick(['card', 'invoice', 'wallet']) },
    ...(error && { error }),
    logs: [
      ...(isRetried ? [{ severity: SeverityNumber.WARN, body: 'the acquirer is slow, trying again' }] : []),
      ...(isDeclined ? [{ severity: SeverityNumber.ERROR, body: `payment of ${orderId} declined` }] : []),
    ],
    children: [
      {
        service: 'payments',
        name: 'POST /v2/charges',
        kind: SpanKind.CLIENT,
        selfMs: random.int(40, 400),
        attributes: {
          'server.address': 'acquirer.example',
          'http.response.status_code': isDeclined ? 402 : 200,
        },
        ...(isRetried && { events: [{ name: 'retry', attributes: { attempt: 2 } }] }),
      },
    ],
  };
}

function publish(random: Random, orderId: string): SpanPlan {
  return {
    service: 'checkout',
    name: 'send orders',
    kind: SpanKind.PRODUCER,
    selfMs: random.int(1, 5),
    attributes: { 'messaging.system': 'kafka', 'messaging.destination.name': 'orders', 'order.id': orderId },
    queue: 'publishes',
  };
}

function fulfil(random: Random, orderId: string): SpanPlan {
  return {
    service: 'inventory',
    name: 'process orders',
    kind: SpanKind.CONSUMER,
    selfMs: random.int(5, 30),
    attributes: { 'messaging.system': 'kafka', 'messaging.destination.name': 'orders', 'order.id': orderId },
    logs: [{ severity: SeverityNumber.INFO, body: `parcel for ${orderId} is packed` }],
    queue: 'consumes',
  };
}

function ask(random: Random): SpanPlan {
  const question = random.pick(QUESTIONS);
  const product = random.pick(PRODUCTS);
  const search: SpanPlan = {
    service: 'assistant',
    name: 'execute_tool search_products',
    kind: SpanKind.INTERNAL,
    selfMs: random.int(1, 5),
    attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'search_products' },
    children: [
      {
        service: 'inventory',
        name: 'inventory.search',
        kind: SpanKind.SERVER,
        selfMs: random.int(4, 20),
        attributes: { query: product },
        children: [select(random, 'products')],
      },
    ],
  };
  const answer: SpanPlan = {
    service: 'assistant',
    name: 'assistant.answer',
    kind: SpanKind.SERVER,
    selfMs: random.int(5, 20),
    logs: [{ severity: SeverityNumber.INFO, body: 'question answered', attributes: { product } }],
    children: [
      chat(random, { prompt: question, completion: `search_products("${product}")` }),
      search,
      chat(random, { prompt: question, completion: `Have a look at our ${product}: it is in stock.` }),
    ],
  };
  return gateway(random, 'POST /api/assistant', [answer]);
}

function chat(
  random: Random,
  { prompt, completion }: { readonly prompt: string; readonly completion: string },
): SpanPlan {
  const { system, model } = random.pick(MODELS);
  const isLimited = random.chance(0.05);
  const attributes: Attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.system': system,
    'gen_ai.request.model': model,
    'gen_ai.response.model': model,
    'gen_ai.request.temperature': 0.2,
    'gen_ai.usage.input_tokens': random.int(80, 1200),
    'gen_ai.usage.output_tokens': isLimited ? 0 : random.int(20, 400),
    'gen_ai.prompt': prompt,
    ...(!isLimited && { 'gen_ai.completion': completion }),
  };
  return {
    service: 'assistant',
    name: `chat ${model}`,
    kind: SpanKind.CLIENT,
    selfMs: random.int(200, 1500),
    attributes,
    ...(isLimited && { error: { type: 'RateLimited', message: `${system} answered 429` } }),
  };
}

function gateway(
  random: Random,
  name: string,
  children: readonly SpanPlan[],
  error?: SpanPlan['error'],
): SpanPlan {
  const [method = '', route = ''] = name.split(' ');
  return {
    service: 'web-gateway',
    name,
    kind: SpanKind.SERVER,
    selfMs: random.int(2, 12),
    attributes: {
      'http.request.method': method,
      'http.route': route,
      'http.response.status_code': error ? 502 : 200,
      'client.region': random.pick(REGIONS),
    },
    ...(error && { error: { type: 'BadGateway', message: error.message } }),
    children,
  };
}

function select(random: Random, table: string): SpanPlan {
  return {
    service: 'inventory',
    name: `SELECT ${table}`,
    kind: SpanKind.CLIENT,
    selfMs: random.int(2, 30),
    attributes: {
      'db.system.name': 'postgresql',
      'db.query.text': `SELECT * FROM ${table} WHERE id = $1`,
      'db.response.returned_rows': random.int(0, 20),
    },
  };
}

function backgroundLog(random: Random): TracePlan['background'][number] {
  const log = random.pick<LogPlan>([
    { severity: SeverityNumber.TRACE, body: 'health check passed' },
    { severity: SeverityNumber.DEBUG, body: 'configuration reloaded' },
    {
      severity: SeverityNumber.INFO,
      body: 'cache refreshed',
      attributes: { entries: random.int(100, 5000) },
    },
    { severity: SeverityNumber.WARN, body: 'connection pool is nearly used up' },
    { severity: SeverityNumber.FATAL, body: 'out of file descriptors, restarting' },
  ]);
  return { ...log, service: random.pick(SERVICE_NAMES) };
}
