// A model server for the browser tests: says hello, or UPSTREAM_SAYS, whole or as a stream, and counts
// tokens as it likes.
import { createServer } from 'node:http';

const SAYS = process.env.UPSTREAM_SAYS;
const WORDS = SAYS ? SAYS.split(/(?<=\s)/) : ['Hello', ', ', 'World', '!'];
const USAGE = {
  prompt_tokens: 10,
  completion_tokens: WORDS.length,
  total_tokens: 10 + WORDS.length,
};

const chunk = (model, part) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, ...part })}\n\n`;

function stream(response, model) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const content of WORDS) {
    response.write(chunk(model, { choices: [{ index: 0, delta: { content }, finish_reason: null }] }));
  }
  response.write(chunk(model, { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }));
  response.write(chunk(model, { choices: [], usage: USAGE }));
  response.end('data: [DONE]\n\n');
}

function whole(response, model) {
  const message = { role: 'assistant', content: WORDS.join('') };
  const choices = [{ index: 0, message, finish_reason: 'stop' }];
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model, choices, usage: USAGE }),
  );
}

const server = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += piece;
  const asked = JSON.parse(body || '{}');
  if (asked.stream) stream(response, asked.model);
  else whole(response, asked.model);
});

server.listen(Number(process.argv[2]), '127.0.0.1');
