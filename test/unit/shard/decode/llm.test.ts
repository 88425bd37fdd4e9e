import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { promoteLlm } from '../../../../src/shard/decode/llm.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

function promote(texts: Record<string, string>) {
  const remaining = new Map(Object.entries(texts));
  return { promotion: promoteLlm(remaining), remaining: Object.fromEntries(remaining) };
}

describe('LLM promotion', () => {
  it('needs a system or a model', () => {
    const texts = { 'gen_ai.prompt': 'hi', 'gen_ai.provider.name': 'x' };
    expect(promote(texts)).toEqual({ promotion: undefined, remaining: texts });
    expect(promote({ 'gen_ai.system': '' }).promotion?.llm).toEqual({
      provider: '',
      model: '',
      operation: 'chat',
    });
    expect(promote({ 'gen_ai.response.model': 'm' }).promotion?.llm).toMatchObject({
      provider: '',
      model: 'm',
    });
  });

  it('prefers the model that was asked for', () => {
    const { promotion } = promote({ 'gen_ai.response.model': 'given', 'gen_ai.request.model': 'asked' });
    expect(promotion?.llm.model).toBe('asked');
  });

  it.each([
    ['chat', 'chat'],
    ['Text_Completion', 'completion'],
    ['embeddings', 'embedding'],
    ['execute_tool', 'tool'],
    ['toString', 'other'],
  ])('calls the operation %s %s', (name, operation) => {
    expect(promote({ 'gen_ai.system': 's', 'gen_ai.operation.name': name }).promotion?.llm.operation).toBe(
      operation,
    );
  });

  it('adds up tokens, wrapping at 32 bits', () => {
    const tokens = (input: string, output: string) =>
      promote({
        'gen_ai.system': 's',
        'gen_ai.usage.input_tokens': input,
        'gen_ai.usage.completion_tokens': output,
      }).promotion?.llm.total_tokens;
    expect(tokens('3', '4')).toBe(7);
    expect(tokens('4294967295', '2')).toBe(1);
  });

  it('takes the first key that exists even if its value is no number', () => {
    const { promotion } = promote({
      'gen_ai.system': 's',
      'gen_ai.usage.input_tokens': 'many',
      'gen_ai.usage.prompt_tokens': '5',
      'gen_ai.usage.output_tokens': '4294967296',
      'gen_ai.usage.total_tokens': '9',
      'gen_ai.usage.cost': '1e-3',
      'gen_ai.request.temperature': 'inf',
    });
    expect(promotion?.llm).toEqual({
      provider: 's',
      model: '',
      operation: 'chat',
      total_tokens: 9,
      cost_usd: 0.001,
    });
  });

  it('replaces prompt and completion by their hashes', () => {
    const { promotion, remaining } = promote({
      'gen_ai.system': 's',
      'gen_ai.prompt': 'question',
      'gen_ai.completion': 'answer',
    });
    expect(promotion).toMatchObject({
      llm: { prompt_sha256: sha256('question'), completion_sha256: sha256('answer') },
      hidden: ['gen_ai.prompt', 'gen_ai.completion'],
      prompt: 'question',
      completion: 'answer',
    });
    expect(remaining).toEqual({ 'gen_ai.system': 's' });
  });

  it('gives an empty prompt no hash', () => {
    const { promotion, remaining } = promote({ 'gen_ai.system': 's', 'gen_ai.prompt': '' });
    expect(promotion?.llm).not.toHaveProperty('prompt_sha256');
    expect(remaining).toEqual({ 'gen_ai.system': 's' });
  });
});
