import type { Dice } from '../equivalence/dice.ts';

interface Material {
  readonly corpus: readonly Buffer[];
  readonly dictionary: readonly Buffer[];
}

const MAX_INPUT_BYTES = 16 * 1024;
/** Bytes at which parsers change their minds. */
const EDGES = [0, 1, 0x0a, 0x20, 0x22, 0x2c, 0x7b, 0x7d, 0x7f, 0x80, 0xff];

/** One of the corpus, changed in one to four places. */
export function mutate({ corpus, dictionary }: Material, dice: Dice): Buffer {
  let bytes = dice.pick(corpus);
  for (let changes = 1 + dice.below(4); changes > 0; changes--) {
    const change = dice.pick(CHANGES);
    bytes = change(bytes, { corpus, dictionary }, dice);
  }
  return bytes.subarray(0, MAX_INPUT_BYTES);
}

type Change = (bytes: Buffer, material: Material, dice: Dice) => Buffer;

const flipBit: Change = (bytes, _, dice) => atSomeByte(bytes, dice, byte => byte ^ (1 << dice.below(8)));
const setEdge: Change = (bytes, _, dice) => atSomeByte(bytes, dice, () => dice.pick(EDGES));
const setByte: Change = (bytes, _, dice) => atSomeByte(bytes, dice, () => dice.below(256));
const step: Change = (bytes, _, dice) =>
  atSomeByte(bytes, dice, byte => (byte + dice.pick([1, 255, 2, 254])) & 0xff);
const removePart: Change = (bytes, _, dice) => {
  const [start, end] = part(bytes, dice);
  return replaced(bytes, start, end, Buffer.alloc(0));
};
const repeatPart: Change = (bytes, _, dice) => {
  const [start, end] = part(bytes, dice);
  return replaced(bytes, end, end, bytes.subarray(start, end));
};
const cutOff: Change = (bytes, _, dice) => bytes.subarray(0, dice.below(bytes.length + 1));
const putWord: Change = (bytes, { dictionary }, dice) => {
  if (dictionary.length === 0) return setByte(bytes, { corpus: [], dictionary }, dice);
  const at = dice.below(bytes.length + 1);
  const word = dice.pick(dictionary);
  return replaced(bytes, at, dice.chance(0.5) ? at : Math.min(bytes.length, at + word.length), word);
};
const splice: Change = (bytes, { corpus }, dice) => {
  const other = corpus.length > 0 ? dice.pick(corpus) : bytes;
  const [start, end] = part(bytes, dice);
  const [from, to] = part(other, dice);
  return replaced(bytes, start, end, other.subarray(from, to));
};
const changeNumber: Change = (bytes, _, dice) => {
  const digits = [...bytes.toString('latin1').matchAll(/\d+/g)];
  if (digits.length === 0) return setByte(bytes, { corpus: [], dictionary: [] }, dice);
  const { 0: text, index } = dice.pick(digits);
  const number = dice.pick(['0', '-1', `${text}0`, '1e3', '9007199254740993', '18446744073709551616', '']);
  return replaced(bytes, index, index + text.length, Buffer.from(number));
};

const CHANGES: readonly Change[] = [
  flipBit,
  setEdge,
  setByte,
  step,
  removePart,
  repeatPart,
  cutOff,
  putWord,
  putWord,
  splice,
  splice,
  changeNumber,
];

function atSomeByte(bytes: Buffer, dice: Dice, change: (byte: number) => number): Buffer {
  if (bytes.length === 0) return Buffer.of(change(0));
  const copy = Buffer.from(bytes);
  const at = dice.below(copy.length);
  copy[at] = change(copy[at] as number);
  return copy;
}

/** Mostly a short one. */
function part(bytes: Buffer, dice: Dice): [start: number, end: number] {
  const start = dice.below(bytes.length + 1);
  const most = dice.chance(0.8) ? Math.min(16, bytes.length - start) : bytes.length - start;
  return [start, start + dice.below(most + 1)];
}

function replaced(bytes: Buffer, start: number, end: number, by: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, start), by, bytes.subarray(end)]);
}
