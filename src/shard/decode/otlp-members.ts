import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import { NO_TEXT } from '../store/packed/fields.ts';
import type { JsonBytes } from './json-bytes.ts';
import type { OtlpMessage } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';
import { PlainValues } from './plain-values.ts';

const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN = 0x7b;
const CLOSE = 0x7d;

export interface OtlpMembersOptions {
  readonly request: Buffer;
  readonly json: JsonBytes;
  readonly types: OtlpTypes;
}

/**
 * Writes what the columns do not tell of a record of a request: an object in OTLP/JSON, whose members are given in the
 * order of the message's fields, with their quotes and the colon. A record without any has no object. Members that are
 * left out at their default are not written then.
 */
export class OtlpMembers {
  readonly #request: Buffer;
  readonly #json: JsonBytes;
  readonly #types: OtlpTypes;
  readonly #values: PlainValues;
  #start = 0;

  constructor({ request, json, types }: OtlpMembersOptions) {
    this.#request = request;
    this.#json = json;
    this.#types = types;
    this.#values = new PlainValues(request, json);
  }

  begin(): void {
    this.#start = this.#json.arena.sizeBytes;
  }

  /** Begins a member whose value is written next, or writes one of ASCII characters. */
  member(start: string): void {
    this.#json.byte(this.isEmpty() ? OPEN : COMMA);
    this.#json.ascii(start);
  }

  /** Writes a member, if it is one. */
  text(member: string): void {
    if (member === '') return;
    this.member('');
    this.#json.arena.addText(member);
  }

  integer(name: string, value: number): void {
    if (value === 0) return;
    this.member(name);
    if (value > 0) this.#json.integer(value);
    else this.#json.ascii(String(value));
  }

  /** The string in `[start, end)`. */
  string(name: string, start: number, end: number): void {
    if (start === end) return;
    this.member(name);
    this.#json.string(start, end);
  }

  /** A list of messages, given as start and end of each, in turn. */
  list(name: string, type: string, ranges: readonly number[]): void {
    if (ranges.length === 0) return;
    this.member(name);
    this.#json.arena.addText(
      JSON.stringify(this.messages<OtlpMessage>(type, ranges).map(each => otlpJson(each))),
    );
  }

  /** The same for attributes. */
  attributes(ranges: readonly number[]): void {
    if (ranges.length === 0) return;
    const { arena } = this.#json;
    const start = arena.sizeBytes;
    this.member('"attributes":');
    for (let index = 0; index < ranges.length; index += 2) {
      this.#json.byte(index === 0 ? OPEN_LIST : COMMA);
      if (this.#values.attribute(ranges[index] as number, ranges[index + 1] as number, 0)) continue;
      arena.sizeBytes = start;
      this.list('"attributes":', 'KeyValue', ranges);
      return;
    }
    this.#json.byte(CLOSE_LIST);
  }

  messages<Message>(type: string, ranges: readonly number[]): Message[] {
    const messages: Message[] = [];
    for (let index = 0; index < ranges.length; index += 2) {
      const bytes = this.#request.subarray(ranges[index], ranges[index + 1]);
      messages.push(this.#types.message(type).decode(bytes) as unknown as Message);
    }
    return messages;
  }

  isEmpty(): boolean {
    return this.#json.arena.sizeBytes === this.#start;
  }

  /** Ends the object; without members it is there all the same. */
  end(): void {
    if (this.isEmpty()) this.#json.byte(OPEN);
    this.#json.byte(CLOSE);
  }

  /** Ends the object, if there is one, and puts its place among the texts into two words. */
  finish(words: Int32Array, at: number): void {
    words[at] = this.#start;
    words[at + 1] = NO_TEXT;
    if (this.isEmpty()) return;
    this.end();
    words[at + 1] = this.#json.arena.sizeBytes - this.#start;
  }
}
