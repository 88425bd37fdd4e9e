import protobuf from 'protobufjs';
import { LENGTH_DELIMITED, WireReader } from '../../src/shared/otlp/wire-reader.ts';

/** A number from 0 up to below 1. */
type Chance = () => number;

/**
 * The same message, or nearly, as another encoder might write it, or a broken one: fields in another order, twice, not
 * at all, of another wire type, unknown ones and groups between them, messages in parts, numbers with zeros after them.
 */
export function mutateMessage(type: protobuf.Type, bytes: Buffer, chance: Chance): Buffer {
  return Buffer.concat(mutateFields(type, bytes, chance));
}

function mutateFields(type: protobuf.Type, bytes: Buffer, chance: Chance): Buffer[] {
  let fields = fieldsOf(bytes).flatMap(field => mutateField(type, field, chance));
  if (chance() < 0.2) fields = shuffled(fields, chance);
  if (chance() < 0.1) fields.splice(Math.floor(chance() * (fields.length + 1)), 0, unknownField(chance));
  return fields;
}

interface WireField {
  readonly number: number;
  readonly wireType: number;
  readonly whole: Buffer;
  readonly content: Buffer;
}

function fieldsOf(bytes: Buffer): WireField[] {
  const reader = new WireReader(bytes);
  const fields: WireField[] = [];
  while (reader.next()) {
    fields.push({
      number: reader.field,
      wireType: reader.wireType,
      whole: bytes.subarray(reader.fieldStart, reader.fieldEnd),
      content: bytes.subarray(reader.valueStart, reader.fieldEnd),
    });
  }
  return fields;
}

function mutateField(type: protobuf.Type, field: WireField, chance: Chance): Buffer[] {
  const known = type.fieldsById[field.number];
  if (known?.resolvedType instanceof protobuf.Type && field.wireType === LENGTH_DELIMITED) {
    const fields = mutateFields(known.resolvedType, field.content, chance);
    return inParts(fields, known.repeated ? 1 : chance()).map(part =>
      lengthDelimited(field.number, Buffer.concat(part), extraZeros(chance)),
    );
  }
  const dice = chance();
  if (dice < 0.02) return [];
  if (dice < 0.05) return [field.whole, field.whole];
  if (dice < 0.07) return [Buffer.concat([tag(field.number, 0), varint(Math.floor(chance() * 300))])];
  if (dice < 0.09) return [lengthDelimited(field.number, Buffer.from('ab'))];
  if (dice < 0.1) return [Buffer.concat([tag(field.number, 1), Buffer.alloc(8, 7)])];
  if (field.wireType === LENGTH_DELIMITED)
    return [lengthDelimited(field.number, field.content, extraZeros(chance))];
  return [Buffer.concat([tag(field.number, field.wireType, extraZeros(chance)), field.content])];
}

/** Decoders take some after any number, and refuse those of a tag or a length that make it longer than 5 bytes. */
function extraZeros(chance: Chance): number {
  return chance() < 0.02 ? Math.floor(chance() * 6) : 0;
}

/** Mostly one; a few times two, of which each has some of the fields. */
function inParts(fields: readonly Buffer[], dice: number): (readonly Buffer[])[] {
  if (dice > 0.1) return [fields];
  const half = Math.floor(fields.length / 2);
  return [fields.slice(0, half), fields.slice(half)];
}

function unknownField(chance: Chance): Buffer {
  const number = 900 + Math.floor(chance() * 5000);
  const choices = [
    Buffer.concat([tag(number, 0), varint(Math.floor(chance() * 2 ** 31))]),
    Buffer.concat([tag(number, 1), Buffer.alloc(8, 1)]),
    lengthDelimited(number, Buffer.from('unknown')),
    Buffer.concat([tag(number, 3), lengthDelimited(1, Buffer.from('in a group')), tag(number, 4)]),
    Buffer.concat([tag(number, 5), Buffer.alloc(4, 1)]),
  ];
  return choices[Math.floor(chance() * choices.length)] as Buffer;
}

function shuffled<T>(items: readonly T[], chance: Chance): T[] {
  return items
    .map(item => ({ item, at: chance() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function lengthDelimited(number: number, content: Buffer, zeros = 0): Buffer {
  return Buffer.concat([tag(number, LENGTH_DELIMITED), varint(content.length, zeros), content]);
}

function tag(number: number, wireType: number, zeros = 0): Buffer {
  return varint(number * 8 + wireType, zeros);
}

function varint(value: number, zeros = 0): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest, ...Array.from({ length: zeros }, () => 0));
  return Buffer.from(bytes.map((byte, at) => (at < bytes.length - 1 ? byte | 0x80 : byte)));
}
