import protobuf from 'protobufjs';
import { LENGTH_DELIMITED, WireReader } from '../../src/shared/otlp/wire-reader.ts';

/** A number from 0 up to below 1. */
type Chance = () => number;

/**
 * The same message, or nearly, as another encoder might write it, or a broken one: fields in another order, twice, not
 * at all, of another wire type, unknown ones and groups between them, messages in parts.
 */
export function mutateMessage(type: protobuf.Type, bytes: Buffer, chance: Chance): Buffer {
  let fields = fieldsOf(bytes).flatMap(field => mutateField(type, field, chance));
  if (chance() < 0.2) fields = shuffled(fields, chance);
  if (chance() < 0.1) fields.splice(Math.floor(chance() * (fields.length + 1)), 0, unknownField(chance));
  return Buffer.concat(fields);
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
    const content = mutateMessage(known.resolvedType, field.content, chance);
    return inParts(content, known.repeated ? 1 : chance()).map(part => lengthDelimited(field.number, part));
  }
  const dice = chance();
  if (dice < 0.02) return [];
  if (dice < 0.05) return [field.whole, field.whole];
  if (dice < 0.07) return [Buffer.concat([tag(field.number, 0), varint(Math.floor(chance() * 300))])];
  if (dice < 0.09) return [lengthDelimited(field.number, Buffer.from('ab'))];
  if (dice < 0.1) return [Buffer.concat([tag(field.number, 1), Buffer.alloc(8, 7)])];
  return [field.whole];
}

/** Mostly one; a few times two, of which each has some of the fields. */
function inParts(content: Buffer, dice: number): Buffer[] {
  if (dice > 0.1) return [content];
  const fields = fieldsOf(content);
  const half = Math.floor(fields.length / 2);
  return [fields.slice(0, half), fields.slice(half)].map(part =>
    Buffer.concat(part.map(({ whole }) => whole)),
  );
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

function lengthDelimited(number: number, content: Buffer): Buffer {
  return Buffer.concat([tag(number, LENGTH_DELIMITED), varint(content.length), content]);
}

function tag(number: number, wireType: number): Buffer {
  return varint(number * 8 + wireType);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.of(...bytes, rest);
}
