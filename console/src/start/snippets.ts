/** Programs that work when pasted: they ask for a model's name instead of guessing one. */

export const exportKey = 'export FAREBOX_API_KEY="sk-proj-…"';

export type Language = 'python' | 'node' | 'curl';

export const installation: Record<Language, string | undefined> = {
  python: 'pip install openai',
  node: 'npm install openai',
  curl: undefined,
};

interface Snippet {
  id: Language;
  name: string;
  write: (baseUrl: string) => string;
}

export const snippets: Snippet[] = [
  {
    id: 'python',
    name: 'Python',
    write: (baseUrl) => `import os
from openai import OpenAI

client = OpenAI(
    base_url="${baseUrl}",
    api_key=os.environ["FAREBOX_API_KEY"],
)
model = client.models.list().data[0].id
answer = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "Hello World"}],
)
print(answer.choices[0].message.content)`,
  },
  {
    id: 'node',
    name: 'Node.js',
    write: (baseUrl) => `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "${baseUrl}",
  apiKey: process.env.FAREBOX_API_KEY,
});
const models = await client.models.list();
const answer = await client.chat.completions.create({
  model: models.data[0].id,
  messages: [{ role: "user", content: "Hello World" }],
});
console.log(answer.choices[0].message.content);`,
  },
  {
    id: 'curl',
    name: 'curl',
    write: (baseUrl) => `# Which models are there?
curl ${baseUrl}/models \\
  -H "Authorization: Bearer $FAREBOX_API_KEY"

# Put one of them in the place of MODEL.
curl ${baseUrl}/chat/completions \\
  -H "Authorization: Bearer $FAREBOX_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "MODEL",
    "messages": [{"role": "user", "content": "Hello World"}]
  }'`,
  },
];
