import type { Blob } from '../store/tables.ts';
import { textBlob } from './blob.ts';

/** An LLM call recognised by its attributes. */
export interface Promotion {
  /** The `llm` member of the span's row. */
  readonly llm: Readonly<Record<string, string | number>>;
  /** Keys that were taken out of the texts. */
  readonly hidden: readonly string[];
  /** Empty when there was none. */
  readonly prompt: string;
  readonly completion: string;
  /** The prompt and the completion, as far as they are not empty. */
  readonly blobs: readonly Blob[];
}

const PROMPT = 'gen_ai.prompt';
const COMPLETION = 'gen_ai.completion';

/**
 * Read API contract §2.3, "LLM promotion": works on attribute texts, and takes the prompt and the completion out of
 * them. `undefined` when the span is no LLM call.
 */
export function promoteLlm(texts: Map<string, string>): Promotion | undefined {
  const first = (...keys: string[]) => texts.get(keys.find(key => texts.has(key)) ?? '');
  const provider = first('gen_ai.system');
  const model = first('gen_ai.request.model', 'gen_ai.response.model');
  if (provider === undefined && model === undefined) return undefined;

  const inputTokens = parseTokens(first('gen_ai.usage.input_tokens', 'gen_ai.usage.prompt_tokens'));
  const outputTokens = parseTokens(first('gen_ai.usage.output_tokens', 'gen_ai.usage.completion_tokens'));
  const prompt = texts.get(PROMPT) ?? '';
  const completion = texts.get(COMPLETION) ?? '';
  const promptBlob = prompt === '' ? undefined : textBlob(prompt);
  const completionBlob = completion === '' ? undefined : textBlob(completion);
  const llm = withoutAbsent({
    provider: provider ?? '',
    model: model ?? '',
    operation: operationOf(first('gen_ai.operation.name')),
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens:
      inputTokens !== undefined && outputTokens !== undefined
        ? (inputTokens + outputTokens) >>> 0
        : parseTokens(first('gen_ai.usage.total_tokens')),
    cost_usd: parseNumber(first('gen_ai.usage.cost', 'gen_ai.usage.cost_usd')),
    ttft_ms: parseNumber(first('gen_ai.response.time_to_first_token_ms')),
    temperature: parseNumber(first('gen_ai.request.temperature')),
    prompt_sha256: promptBlob?.sha256,
    completion_sha256: completionBlob?.sha256,
    finish_reason: first('gen_ai.response.finish_reasons', 'gen_ai.response.finish_reason'),
  });
  const hidden = [PROMPT, COMPLETION].filter(key => texts.delete(key));
  const blobs = [promptBlob, completionBlob].filter(blob => blob !== undefined);
  return { llm, hidden, prompt, completion, blobs };
}

const OPERATIONS: Readonly<Record<string, string>> = {
  chat: 'chat',
  text_completion: 'completion',
  completion: 'completion',
  embeddings: 'embedding',
  embedding: 'embedding',
  execute_tool: 'tool',
  tool: 'tool',
};

function operationOf(name: string | undefined): string {
  if (name === undefined) return 'chat';
  const lowerCased = name.toLowerCase();
  return Object.hasOwn(OPERATIONS, lowerCased) ? (OPERATIONS[lowerCased] as string) : 'other';
}

/** Unsigned 32-bit integer text. */
function parseTokens(text: string | undefined): number | undefined {
  if (text === undefined || !/^\+?\d{1,20}$/.test(text)) return undefined;
  const tokens = Number(text);
  return tokens <= 0xffff_ffff ? tokens : undefined;
}

function parseNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

function withoutAbsent(
  members: Record<string, string | number | undefined>,
): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(members).filter((member): member is [string, string | number] => member[1] !== undefined),
  );
}
