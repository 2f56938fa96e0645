import { askModel } from '../../api/dataPlane';
import { ApiError } from '../../api/error';

export interface Tokens {
  input: number;
  output: number;
}

/** What comes out of a stream, piece by piece. */
export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'usage'; tokens: Tokens }
  | { kind: 'cost'; cost: string; balance: string }
  | { kind: 'end'; reason: string };

interface Chunk {
  choices?: { delta?: { content?: string | null }; finish_reason?: string | null }[];
  usage?: { prompt_tokens: number; completion_tokens: number } | null;
  error?: { message?: string; code?: string | null };
}

/** Streams a chat: what the model says, and at the end what it cost. */
export async function* streamChat(
  secret: string,
  request: object,
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  const asked = { ...request, stream: true, stream_options: { include_usage: true } };
  const response = await askModel(secret, asked, signal);
  if (!response.body) throw ApiError.unreachable();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    rest += value ?? '';
    const lines = rest.split('\n');
    rest = done ? '' : (lines.pop() ?? '');
    for (const line of lines) yield* piecesOf(line);
    if (done) return;
  }
}

/** What one line of an event stream says. */
export function* piecesOf(line: string): Generator<Piece> {
  const spent = /^: *farebox-cost=([\d.]+)(?: farebox-balance=(-?[\d.]+))?/.exec(line);
  if (spent) yield { kind: 'cost', cost: spent[1] ?? '0', balance: spent[2] ?? '0' };
  if (!line.startsWith('data:')) return;
  const text = line.slice(5).trim();
  if (text === '' || text === '[DONE]') return;
  const chunk = JSON.parse(text) as Chunk;
  if (chunk.error) throw new ApiError(200, chunk.error.message ?? 'The stream broke off.');
  const choice = chunk.choices?.[0];
  if (choice?.delta?.content) yield { kind: 'text', text: choice.delta.content };
  if (choice?.finish_reason) yield { kind: 'end', reason: choice.finish_reason };
  if (chunk.usage) {
    const { prompt_tokens: input, completion_tokens: output } = chunk.usage;
    yield { kind: 'usage', tokens: { input, output } };
  }
}
