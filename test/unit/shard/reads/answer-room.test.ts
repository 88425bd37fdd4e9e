import { describe, expect, it } from 'vitest';
import { createAnswerRoom } from '../../../../src/shard/reads/answer-room.ts';

describe('the room of an answer', () => {
  it('lasts until the rows have more bytes than it may have', () => {
    const room = createAnswerRoom(1000);
    room.use(1000);
    expect(room.isUsedUp()).toBe(false);
    room.use(1);
    expect(room.isUsedUp()).toBe(true);
  });

  it('cuts nothing when there are no more rows', () => {
    const room = createAnswerRoom(1000);
    room.use(2000);
    expect(room.isCut()).toBe(false);
    room.isUsedUp();
    expect(room.isCut()).toBe(true);
  });
});
