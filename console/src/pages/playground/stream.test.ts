import { expect, test } from 'vitest';
import { piecesOf } from './stream';

const of = (line: string) => [...piecesOf(line)];

test('a line of a stream says what it says', () => {
  expect(of('data: {"choices":[{"delta":{"content":"Hi"}}]}')).toEqual([{ kind: 'text', text: 'Hi' }]);
  expect(of('data: {"choices":[{"delta":{},"finish_reason":"length"}]}')).toEqual([
    { kind: 'end', reason: 'length' },
  ]);
  expect(of('data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}')).toEqual([
    { kind: 'usage', tokens: { input: 3, output: 4 } },
  ]);
  expect(of(': farebox-cost=0.000018 farebox-balance=19.99')).toEqual([
    { kind: 'cost', cost: '0.000018', balance: '19.99' },
  ]);
  expect(of('data: [DONE]')).toEqual([]);
  expect(of('')).toEqual([]);
});

test('an error in a stream is thrown with its words', () => {
  expect(() => of('data: {"error":{"message":"The upstream broke off."}}')).toThrow('broke off');
});
